//! Rust source as the few tokens that imports are read from.

/// The tokens of `source`: names, `::`, and single characters. Comments and the contents of literals are left
/// out, and so is every item under `#[cfg(test)]` or `#[test]`.
pub fn tokens(source: &str) -> Vec<String> {
    without_tests(split(source))
}

fn split(source: &str) -> Vec<String> {
    let chars: Vec<char> = source.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut tokens = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let c = chars[i];
        if c == '/' && at(i + 1) == '/' {
            while i < chars.len() && chars[i] != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            i = after_block_comment(&chars, i);
        } else if let Some(hashes) = raw_string(&chars, i) {
            let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            i += chars[i..].iter().position(|c| *c == '"').unwrap() + 1;
            while i < chars.len() && !chars[i..].starts_with(&close) {
                i += 1;
            }
            i += close.len();
            tokens.push("\"\"".into());
        } else if c == '"' {
            let start = i + 1;
            i = start;
            while i < chars.len() && chars[i] != '"' {
                i += 1 + usize::from(chars[i] == '\\');
            }
            // The path in `#[path = "..."]` is the only literal that matters.
            let literal: String = chars[start..i.min(chars.len())].iter().collect();
            tokens.push(if literal.ends_with(".rs") { format!("\"{literal}\"") } else { "\"\"".into() });
            i += 1;
        } else if c == '\'' && (at(i + 1) == '\\' || at(i + 2) == '\'') {
            i += 2 + usize::from(at(i + 1) == '\\');
            while i < chars.len() && chars[i] != '\'' {
                i += 1;
            }
            i += 1;
        } else if c.is_alphanumeric() || c == '_' {
            let start = i;
            while at(i).is_alphanumeric() || at(i) == '_' {
                i += 1;
            }
            tokens.push(chars[start..i].iter().collect());
        } else if c == ':' && at(i + 1) == ':' {
            tokens.push("::".into());
            i += 2;
        } else {
            if !c.is_whitespace() {
                tokens.push(c.to_string());
            }
            i += 1;
        }
    }
    tokens
}

fn after_block_comment(chars: &[char], start: usize) -> usize {
    let (mut i, mut depth) = (start, 0);
    while i < chars.len() {
        if chars[i..].starts_with(&['/', '*']) {
            depth += 1;
            i += 2;
        } else if chars[i..].starts_with(&['*', '/']) {
            depth -= 1;
            i += 2;
            if depth == 0 {
                break;
            }
        } else {
            i += 1;
        }
    }
    i
}

/// The number of `#` of the raw string that starts at `i`, if one does.
fn raw_string(chars: &[char], i: usize) -> Option<usize> {
    let named_before = i > 0 && (chars[i - 1].is_alphanumeric() || chars[i - 1] == '_');
    let rest = &chars[i..];
    let rest = if rest.first() == Some(&'b') { &rest[1..] } else { rest };
    if named_before || rest.first() != Some(&'r') {
        return None;
    }
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    (rest.get(1 + hashes) == Some(&'"')).then_some(hashes)
}

fn without_tests(tokens: Vec<String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        if tokens[i] == "#" && tokens.get(i + 1).is_some_and(|t| t == "[") {
            // All attributes of an item together, since `#[cfg(test)]` may be any of them.
            let start = i;
            let mut test = false;
            while tokens.get(i).is_some_and(|t| t == "#") && tokens.get(i + 1).is_some_and(|t| t == "[") {
                let end = after_group(&tokens, i + 1);
                let attribute: String = tokens[i + 2..end - 1].concat();
                test |= ["test", "cfg(test)"].contains(&attribute.as_str())
                    || attribute.starts_with("cfg(all(test,");
                i = end;
            }
            if test {
                i = after_item(&tokens, i);
            } else {
                kept.extend_from_slice(&tokens[start..i]);
            }
        } else {
            kept.push(tokens[i].clone());
            i += 1;
        }
    }
    kept
}

/// The index behind the bracket that closes the one at `open`.
pub fn after_group(tokens: &[String], open: usize) -> usize {
    let mut depth = 0;
    for (i, token) in tokens.iter().enumerate().skip(open) {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth -= 1;
                if depth == 0 {
                    return i + 1;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// The index behind the item that starts at `i`: behind its `;`, or behind its braces.
fn after_item(tokens: &[String], mut i: usize) -> usize {
    while i < tokens.len() {
        match tokens[i].as_str() {
            ";" => return i + 1,
            "(" | "[" => i = after_group(tokens, i),
            "{" => {
                let end = after_group(tokens, i);
                return end + usize::from(tokens.get(end).is_some_and(|t| t == ";"));
            }
            _ => i += 1,
        }
    }
    i
}
