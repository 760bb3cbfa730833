//! A pipeline as a line of text: `delta+feedback+topk(part=0.01)`.
//!
//! ```text
//! pipeline = stage { "+" stage }
//! stage    = name [ "(" [ option { "," option } ] ")" ]
//! option   = key "=" value
//! ```
//!
//! A value is one of TOML, or else text, so that `residual(stages=ternary(count=90))` needs no quotes.

use super::PartSpec;

/// The stages of a line. Errors say what is wrong with it and how to mend it.
pub(super) fn stages(text: &str) -> std::result::Result<Vec<PartSpec>, String> {
    split(text, '+')?.into_iter().map(|part| stage(part.trim())).collect()
}

/// Cuts a text at a separator, but not inside of brackets, braces or quotes.
pub fn split(text: &str, separator: char) -> std::result::Result<Vec<&str>, String> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut open, mut quote) = (Vec::new(), None);
    for (place, letter) in text.char_indices() {
        match (letter, quote) {
            (_, Some(mark)) if letter == mark => quote = None,
            (_, Some(_)) => {}
            ('"' | '\'', None) => quote = Some(letter),
            ('(' | '[' | '{', None) => open.push(letter),
            (')' | ']' | '}', None) => {
                let due = match letter {
                    ')' => '(',
                    ']' => '[',
                    _ => '{',
                };
                if open.pop() != Some(due) {
                    return Err(format!(
                        "{text:?} has a {letter} that closes nothing; write name(key=value)"
                    ));
                }
            }
            _ if letter == separator && open.is_empty() => {
                parts.push(&text[start..place]);
                start = place + letter.len_utf8();
            }
            _ => {}
        }
    }
    if let Some(mark) = open.last().copied().or(quote) {
        return Err(format!("{text:?} has a {mark} that nothing closes; write name(key=value)"));
    }
    parts.push(&text[start..]);
    Ok(parts)
}

fn stage(text: &str) -> std::result::Result<PartSpec, String> {
    let (name, options) = match text.split_once('(') {
        None => (text, ""),
        Some((name, rest)) => match rest.strip_suffix(')') {
            Some(options) => (name.trim(), options),
            None => {
                return Err(format!("{text:?} goes on behind its options; put a + before the next stage"));
            }
        },
    };
    if name.is_empty() {
        return Err(format!("a stage without a name stands in {text:?}; write name+name(key=value)"));
    }
    let mut part = PartSpec::named(name);
    if options.trim().is_empty() {
        return Ok(part);
    }
    for option in split(options, ',')? {
        let Some((key, value)) = option.split_once('=') else {
            return Err(format!("{:?} of {name} has no =; write {name}(key=value)", option.trim()));
        };
        let (key, value) = (key.trim(), value.trim());
        if part.options.insert(key.into(), option_value(value)).is_some() {
            return Err(format!("{name} has {key} twice; give it once"));
        }
    }
    Ok(part)
}

/// A value of TOML, or text.
fn option_value(text: &str) -> toml::Value {
    let table = format!("value = {text}").parse::<toml::Table>().ok();
    let value = table.filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| toml::Value::String(text.into()))
}

/// A part as that line has it.
pub(super) fn write(part: &PartSpec) -> String {
    let name = part.name.as_deref().unwrap_or_default();
    let options = part.options.iter().map(|(key, value)| format!("{key}={}", written(value)));
    let options = options.collect::<Vec<_>>().join(",");
    if options.is_empty() { name.into() } else { format!("{name}({options})") }
}

/// A value without quotes where it reads back as the same without them.
fn written(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => {
            let is_plain = option_value(text) == *value && !text.is_empty() && text.trim() == text;
            let is_whole = split(text, ',').is_ok_and(|parts| parts.len() == 1);
            if is_plain && is_whole { text.clone() } else { value.to_string() }
        }
        other => other.to_string(),
    }
}
