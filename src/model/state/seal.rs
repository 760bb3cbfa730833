//! A checksum over a whole safetensors file among its own notes, and what is said of states that cannot be gone on
//! with.

use super::StateFile;
use crate::{Error, Result};
use std::path::Path;

/// The note with the checksum: CRC-32C of the file with zeros in its place, in hexadecimal.
pub(super) const SEAL: &str = "crc32c";

/// What stands in its place while the checksum is taken.
pub(super) const BLANK: &str = "00000000";

/// What to do about the state of a run that cannot be gone on with.
const MEND: &str = "start over with --overwrite, or in another folder";

/// Where in a header the value of a note begins. Quotes inside of other notes are escaped, so that nothing but the note
/// itself looks like it.
pub(super) fn note_position(header: &[u8], key: &str, value: &str) -> Option<usize> {
    let start = format!("\"{key}\":\"");
    let whole = format!("{start}{value}\"");
    let found = header.windows(whole.len()).position(|window| window == whole.as_bytes());
    found.map(|position| position + start.len())
}

impl StateFile {
    /// Whether it is what [`StateWriter::sealed`](super::StateWriter::sealed) has written, to the bit.
    pub fn is_as_sealed(&self) -> Result<bool> {
        let metadata = self.metadata()?;
        let Some(seal) = metadata.get(SEAL).filter(|seal| seal.len() == BLANK.len()) else {
            return Ok(false);
        };
        let bytes = self.all_bytes();
        let Some(position) = note_position(bytes, SEAL, seal) else { return Ok(false) };
        let before = crc32c::crc32c(&bytes[..position]);
        let blank = crc32c::crc32c_append(before, BLANK.as_bytes());
        let whole = crc32c::crc32c_append(blank, &bytes[position + BLANK.len()..]);
        Ok(*seal == format!("{whole:08x}"))
    }

    /// The error for the state of a run from which it cannot be gone on.
    pub fn damaged(&self, problem: impl Into<String>) -> Error {
        Error::file(self.path(), problem, MEND)
    }

    /// What going on from this state has come to: where that is an error, it names this file and says how to start
    /// over.
    pub fn resumed<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| damaged_state(self.path(), error))
    }
}

/// Makes of what is wrong with a run's state an error that names its file and says how to start over.
pub fn damaged_state(path: &Path, error: Error) -> Error {
    match error {
        Error::File { path, problem, mend } if mend.contains(MEND) => Error::File { path, problem, mend },
        Error::File { problem, .. }
        | Error::Setting { problem, .. }
        | Error::Message { problem, .. }
        | Error::Fault { problem } => Error::file(path, problem, MEND),
        // The disk or the device is at fault, or nothing is.
        other => other,
    }
}
