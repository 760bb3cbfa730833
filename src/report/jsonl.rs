//! JSON lines: one object a line, there as soon as it is pushed.

use crate::{Error, Result, files};
use serde::Serialize;
use std::fs::File;
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A log of JSON objects, one a line.
///
/// Metrics must outlive a crash, and the log may be long, so lines are appended under the final
/// name rather than the whole file being rewritten for each. A line is what ends in a newline: each
/// push hands the line and its newline to the system in one piece, and where that fails half-way
/// (a full disk) the file is cut back to the last whole line. So every terminated line is complete
/// and valid JSON at every moment. A reader that follows a live log ignores an unterminated tail,
/// as line readers do.
///
/// A name that is there and is no regular file, such as a FIFO or `/dev/null`, stays what it is, and lines go through
/// it until its reader closes it.
#[derive(Debug)]
pub struct JsonLines {
    path: PathBuf,
    file: File,
    /// The length of the whole lines; None for what is no regular file.
    length: Option<u64>,
}

impl JsonLines {
    /// Starts an empty log; an old one of the same name is replaced, not emptied under its readers.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if let Some(file) = files::open_through(path)? {
            return Ok(Self { path: path.into(), file, length: None });
        }
        files::write_atomic(path, b"")?;
        let file = File::options().write(true).open(path).map_err(Error::io("write", path))?;
        Ok(Self { path: path.into(), file, length: Some(0) })
    }

    /// Adds one line. When this returns, the line is in the file.
    pub fn push(&mut self, value: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(value).map_err(|problem| {
            Error::file(
                &self.path,
                format!("a value cannot be written as JSON ({problem})"),
                "use text for map keys and finite nesting",
            )
        })?;
        line.push(b'\n');
        if let Err(problem) = self.file.write_all(&line) {
            // A pipe's reader may leave, and the work goes on.
            if self.length.is_none() && problem.kind() == ErrorKind::BrokenPipe {
                return Ok(());
            }
            // The first failure is the one to report, whether or not the cut succeeds.
            let _ = self.cut_back();
            return Err(Error::io("write", &self.path)(problem));
        }
        if let Some(length) = &mut self.length {
            *length += line.len() as u64;
        }
        Ok(())
    }

    /// Waits until the disk has everything. Without it the lines survive a crash of the program, but
    /// perhaps not one of the machine.
    pub fn finish(self) -> Result<()> {
        match self.length {
            Some(_) => self.file.sync_all().map_err(Error::io("write", &self.path)),
            None => Ok(()),
        }
    }

    /// Leaves the whole lines and stands behind them.
    fn cut_back(&mut self) -> std::io::Result<()> {
        let Some(length) = self.length else { return Ok(()) };
        self.file.set_len(length)?;
        self.file.seek(SeekFrom::Start(length)).map(drop)
    }
}
