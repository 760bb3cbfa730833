//! The error for an argument that is not UTF-8.

use std::ffi::OsString;

/// The error for an argument whose value is not text; `clap` itself does not say which it is.
pub fn sentence(answer: &clap::Error) -> Option<String> {
    if answer.kind() != clap::error::ErrorKind::InvalidUtf8 {
        return None;
    }
    Some(format!("error: {}", about(&std::env::args_os().skip(1).collect::<Vec<_>>())))
}

/// Names the first argument that is no text, by its option where it has one.
fn about(arguments: &[OsString]) -> String {
    let place = arguments.iter().position(|argument| argument.to_str().is_none()).unwrap_or_default();
    let shown = arguments.get(place).map(|argument| argument.to_string_lossy()).unwrap_or_default();
    let before = place.checked_sub(1).and_then(|place| arguments[place].to_str());
    let (name, value) = match (shown.split_once('='), before) {
        (Some((name, value)), _) if name.starts_with("--") => (name, value),
        (_, Some(name)) if name.starts_with("--") && !name.contains('=') => (name, &*shown),
        _ => ("the arguments", &*shown),
    };
    let mend = "rename what it names, or go into its folder and give the path from there";
    format!("{name}: {value:?} is not UTF-8 text; {mend}")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn the_argument_is_named() {
        let arguments =
            |all: &[&[u8]]| all.iter().map(|a| OsString::from_vec(a.to_vec())).collect::<Vec<_>>();
        let said = |all: &[&[u8]]| about(&arguments(all));
        assert!(
            said(&[b"train", b"--data", b"s\xff"]).starts_with("--data: \"s\u{fffd}\" is not UTF-8 text; ")
        );
        assert!(said(&[b"train", b"--data=s\xff"]).starts_with("--data: \"s\u{fffd}\" is not"));
        assert!(said(&[b"train", b"m\xff"]).starts_with("the arguments: \"m\u{fffd}\" is not"));
        assert!(said(&[b"simulate", b"--set=a=1", b"m\xff"]).starts_with("the arguments: "));
    }
}
