//! Files are written whole or not at all.

use crate::{Error, Result};
use std::io::Write;
use std::path::Path;

/// Writes `bytes` to `path` through a temporary file in the same folder and a rename, so that a
/// reader sees the old content or the new one and never a part. Creates the folder.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomic_with(path, |file| file.write_all(bytes))
}

/// As [`write_atomic`], for content that is produced piece by piece.
pub fn write_atomic_with(
    path: &Path,
    write: impl FnOnce(&mut std::io::BufWriter<&mut std::fs::File>) -> std::io::Result<()>,
) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder).map_err(Error::io("create the folder", folder))?;
    let mut temporary = tempfile::Builder::new()
        .prefix(".fedfunnel-")
        .tempfile_in(folder)
        .map_err(Error::io("write in the folder", folder))?;
    let mut writer = std::io::BufWriter::new(temporary.as_file_mut());
    write(&mut writer).and_then(|()| writer.flush()).map_err(Error::io("write", path))?;
    drop(writer);
    // A temporary file is private to its owner; the finished one gets the mode any new file would.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let _ = temporary.as_file().set_permissions(std::fs::Permissions::from_mode(0o644));
    }
    temporary.persist(path).map_err(|e| Error::Io { action: "write", path: path.into(), source: e.error })?;
    Ok(())
}

/// The candidate that is most like `word`, if any is alike at all.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// Reads a TOML text; an unknown key is refused with the nearest known one.
pub fn parse_toml<T: serde::de::DeserializeOwned>(text: &str, origin: &Path) -> Result<T> {
    toml::from_str(text).map_err(|error| toml_error(&error, text, origin))
}

/// Says what is wrong with a TOML text in one sentence: where, what, and the nearest known key.
pub fn toml_error(error: &toml::de::Error, text: &str, origin: &Path) -> Error {
    let message = error.message().replace('\n', " ");
    let line = error.span().map(|span| text[..span.start.min(text.len())].lines().count().max(1));
    let place = line.map_or(String::new(), |line| format!(" (line {line})"));
    let mut quoted = message.split('`').skip(1).step_by(2);
    let mend = match quoted.next() {
        Some(unknown) if message.starts_with("unknown") => match nearest(unknown, quoted) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "remove it".into(),
        },
        _ => "see the specs in models/ for the form".into(),
    };
    Error::setting(format!("{}{place}", origin.display()), message, mend)
}
