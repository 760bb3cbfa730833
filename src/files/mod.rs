//! Files are written whole or not at all.

mod destination;
mod leftovers;
mod paths;
mod temporary;
mod unfinished;

pub use destination::is_standard_output;
pub(crate) use destination::open_through;
pub use paths::{folder_of, is_same};
pub use unfinished::{Unfinished, write_atomic};

use crate::{Error, Result, toml_place};
use destination::Destination;
use std::path::Path;

/// The candidate that is most like `word`, if any is alike at all.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// The error for a name that is not among those that `field` can have.
pub fn unknown_name<'a>(field: &str, what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Error {
    let known: Vec<_> = known.collect();
    let mend = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("there are {}", known.join(", ")),
    };
    Error::setting(field, format!("there is no {what} {name:?}"), mend)
}

/// Reads a text file, such as a spec.
pub fn read_text(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    String::from_utf8(bytes).map_err(|error| {
        let whole = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + whole.iter().filter(|byte| **byte == b'\n').count();
        let problem = format!("line {line} is not UTF-8 text");
        Error::setting(path.display().to_string(), problem, "save it as UTF-8")
    })
}

/// Refuses an output folder that could not be written, before the work whose results it is for. Leaves
/// nothing behind.
pub fn check_output_folder(argument: &str, folder: &Path) -> Result<()> {
    if folder.as_os_str() == "-" {
        let problem = "- is standard output, and this takes a folder";
        return Err(Error::setting(argument, problem, "name a folder, or ./- for one of that name"));
    }
    check_folder(argument, folder)
}

fn check_folder(argument: &str, folder: &Path) -> Result<()> {
    let there = |path: &&Path| path.symlink_metadata().is_ok();
    // A relative path of one part has an empty parent: the current folder.
    let Some(existing) = folder.ancestors().filter(|path| !path.as_os_str().is_empty()).find(there) else {
        return check_folder(argument, Path::new("."));
    };
    if let (Ok(target), false) = (existing.read_link(), existing.exists()) {
        let problem = format!("{} is a link to {}, which is not there", existing.display(), target.display());
        return Err(Error::setting(argument, problem, "make that folder, or name another one"));
    }
    if !existing.is_dir() {
        let problem = format!("{} is a file", existing.display());
        return Err(Error::setting(argument, problem, "name a folder"));
    }
    tempfile::tempfile_in(existing).map(drop).map_err(Error::io("write in the folder", existing))
}

/// Refuses an output file that could not be written, before the work whose results it is for. Leaves nothing
/// behind. What is written through (a device, a FIFO, `-` for standard output) is not opened yet.
pub fn check_output_file(argument: &str, path: &Path) -> Result<()> {
    match Destination::of(path).map_err(|refusal| refusal.of_argument(argument, path))? {
        Destination::Replaced { path, .. } => check_folder(argument, folder_of(&path)),
        _ => Ok(()),
    }
}

/// Reads a TOML text; an unknown key is refused with the nearest known one.
pub fn parse_toml<T: serde::de::DeserializeOwned>(text: &str, origin: &Path) -> Result<T> {
    toml::from_str(text).map_err(|error| toml_error(&error, toml_place::line::<T>(&error, text), origin))
}

/// Says what is wrong with a TOML text in one sentence: in which line, where it is in one, what, and the nearest
/// known key.
pub fn toml_error(error: &toml::de::Error, line: Option<usize>, origin: &Path) -> Error {
    let place = line.map_or(String::new(), |line| format!(" (line {line})"));
    let (problem, mend) = toml_problem(error);
    Error::setting(format!("{}{place}", origin.display()), problem, mend)
}

/// The problem of a TOML text, and the mend.
pub fn toml_problem(error: &toml::de::Error) -> (String, String) {
    let message = error.message().trim().replace('\n', ", ");
    let mut quoted = message.split('`').skip(1).step_by(2);
    let mend = match (quoted.next(), message.split_whitespace().next()) {
        (Some(unknown), Some("unknown")) => match nearest(unknown, quoted) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "remove it".into(),
        },
        (Some(missing), Some("missing")) => format!("add `{missing}`"),
        (_, Some("duplicate")) => "remove one of the two".into(),
        (_, Some("invalid")) => "give what is expected there".into(),
        _ => "mend it there".into(),
    };
    (message, mend)
}
