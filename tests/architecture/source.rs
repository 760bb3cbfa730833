//! One source file: the modules it declares, the names it imports, and the paths in its code.

use super::tokens::{after_group, tokens};

/// A path of names, from left to right.
pub type Path = Vec<String>;

/// `mod name;`
pub struct Declared {
    pub name: String,
    /// The file of `#[path = "..."]`.
    pub file: Option<String>,
}

/// One name that a `use` binds.
pub struct Binding {
    pub name: String,
    pub path: Path,
    /// `pub use`, `pub(crate) use` and the like.
    pub reexport: bool,
}

#[derive(Default)]
pub struct Source {
    pub modules: Vec<Declared>,
    pub bindings: Vec<Binding>,
    /// The paths in its code, such as `self::Thing`, `report::save` or `Thing`, as they read from the file's own
    /// module.
    pub mentions: Vec<Path>,
}

/// Reads one file.
pub fn read(text: &str) -> Source {
    let mut source = Source::default();
    items(&tokens(text), 0, &mut source);
    source
}

fn items(tokens: &[String], depth: usize, source: &mut Source) {
    let token = |i: usize| tokens.get(i).map_or("", String::as_str);
    let mut file = None;
    let mut i = 0;
    while i < tokens.len() {
        let before = if i == 0 { "" } else { token(i - 1) };
        match token(i) {
            "#" if token(i + 1) == "[" => {
                if token(i + 2) == "path" {
                    file = Some(token(i + 4).trim_matches('"').to_string());
                }
                let end = after_group(tokens, i + 1);
                items(&tokens[i + 2..end - 1], depth, source);
                i = end;
            }
            "mod" if token(i + 2) == ";" => {
                source.modules.push(Declared { name: token(i + 1).into(), file: file.take() });
                i += 3;
            }
            "mod" if token(i + 2) == "{" => {
                let end = after_group(tokens, i + 2);
                items(&tokens[i + 3..end - 1], depth + 1, source);
                i = end;
            }
            // `use<'a>` in a type names no module.
            "use" if token(i + 1) != "<" => {
                let end = i + tokens[i..].iter().position(|t| t == ";").unwrap_or(tokens.len() - i);
                let reexport = before == "pub" || (before == ")" && public(tokens, i));
                use_tree(&tokens[i + 1..end], Vec::new(), &mut |name, path| {
                    let path = from_file(path, depth);
                    source.bindings.push(Binding { name, path, reexport });
                });
                i = end + 1;
            }
            first if is_name(first) => {
                let start = i;
                let mut path = vec![first.to_string()];
                while token(i + 1) == "::" && is_name(token(i + 2)) {
                    path.push(token(i + 2).into());
                    i += 2;
                }
                i += 1;
                if token(i) == "::" && token(i + 1) == "*" {
                    i += 2;
                }
                if refers(tokens, start, i, &path) {
                    source.mentions.push(from_file(path, depth));
                }
            }
            _ => i += 1,
        }
    }
}

/// Whether the `use` at `i` stands behind `pub(...)`.
fn public(tokens: &[String], i: usize) -> bool {
    tokens[..i].iter().rposition(|t| t == "(").is_some_and(|open| open > 0 && tokens[open - 1] == "pub")
}

/// A path in a module with a body, as it reads from the file around it.
fn from_file(path: Path, depth: usize) -> Path {
    let supers = path.iter().take_while(|s| *s == "super").count();
    path[supers.min(depth)..].to_vec()
}

/// Whether the names at `start..end` refer to something, and do not define it or name a field or a method.
fn refers(tokens: &[String], start: usize, end: usize, path: &Path) -> bool {
    let before = if start == 0 { "" } else { &tokens[start - 1] };
    let after = tokens.get(end).map_or("", String::as_str);
    if ["::", ".", "fn", "struct", "enum", "trait", "type", "const", "static", "let", "mod", "'"]
        .contains(&before)
    {
        return false;
    }
    let lower_case = path[0].starts_with(|c: char| c.is_lowercase());
    // A lower-case name by itself may be a variable, a field or a parameter, unless it is called.
    path.len() > 1 || !lower_case || ["(", "!"].contains(&after)
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Calls `bind` with the name and the path of everything that a `use` tree brings in; a `*` is named `*`.
fn use_tree(tokens: &[String], prefix: Path, bind: &mut impl FnMut(String, Path)) {
    let mut path = prefix;
    let mut i = 0;
    while i < tokens.len() {
        match tokens[i].as_str() {
            "::" => i += 1,
            "{" => {
                let end = after_group(tokens, i);
                let mut rest = &tokens[i + 1..end - 1];
                while !rest.is_empty() {
                    let comma = comma(rest);
                    use_tree(&rest[..comma], path.clone(), bind);
                    rest = &rest[(comma + 1).min(rest.len())..];
                }
                return;
            }
            "*" => return bind("*".into(), path),
            "as" => return bind(tokens[i + 1].clone(), path),
            "self" if !path.is_empty() => i += 1,
            name => {
                path.push(name.into());
                i += 1;
            }
        }
    }
    if let Some(name) = path.last().cloned() {
        bind(name, path);
    }
}

/// The index of the first comma outside of brackets, or the length.
fn comma(tokens: &[String]) -> usize {
    let mut i = 0;
    while i < tokens.len() && tokens[i] != "," {
        i = if tokens[i] == "{" { after_group(tokens, i) } else { i + 1 };
    }
    i
}
