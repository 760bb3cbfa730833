//! Writing a file whole or not at all.

use super::destination::{Destination, unless_closed};
use super::temporary::Temporary;
use super::{folder_of, leftovers};
use crate::{Error, Result};
use std::fs::{File, Metadata};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

/// Writes `bytes` to `path` through a temporary file in the same folder and a rename, so that a
/// reader sees the old content or the new one and never a part. Creates the folder.
///
/// See [`Unfinished`] for what else than a file `path` may name.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let destination = Destination::of(path).map_err(|refusal| refusal.of_file(path))?;
    if let Some(mut open) = destination.open().map_err(Error::io("write", path))? {
        return unless_closed(open.write_all(bytes)).map_err(Error::io("write", path));
    }
    let mut unfinished = Unfinished::begin(path, destination)?;
    unfinished.file().write_all(bytes).map_err(Error::io("write", path))?;
    unfinished.finish()
}

/// A file in the making: it takes its place, over an earlier file, once it is whole and on the disk, and is removed where
/// it never is.
///
/// A new file gets the mode that the umask leaves of 0666; one that replaces another keeps its mode. Symbolic links
/// are followed, and what they lead to is replaced. A device, a FIFO and standard output (`-`) are no files to
/// replace: what is written is gathered, and passed on to them at the end.
#[derive(Debug)]
pub struct Unfinished {
    path: PathBuf,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// Becomes `place`, and replaces `old`.
    Beside { temporary: Temporary, place: PathBuf, old: Option<Metadata> },
    /// Goes through `destination`.
    Gathered { file: File, destination: Destination },
}

impl Unfinished {
    /// Begins the file that will be `path`. Creates the folder.
    pub fn create(path: &Path) -> Result<Self> {
        let destination = Destination::of(path).map_err(|refusal| refusal.of_file(path))?;
        Self::begin(path, destination)
    }

    fn begin(path: &Path, destination: Destination) -> Result<Self> {
        let content = match destination {
            Destination::Replaced { path: place, old } => {
                let folder = folder_of(&place);
                std::fs::create_dir_all(folder).map_err(Error::io("create the folder", folder))?;
                leftovers::sweep_once(folder);
                let temporary = Temporary::create(folder, old.is_some())
                    .map_err(Error::io("write in the folder", folder))?;
                Content::Beside { temporary, place, old }
            }
            destination => {
                let file =
                    tempfile::tempfile().map_err(Error::io("write in the folder", std::env::temp_dir()))?;
                Content::Gathered { file, destination }
            }
        };
        Ok(Self { path: path.into(), content })
    }

    /// The file for its content.
    pub fn file(&mut self) -> &mut File {
        match &mut self.content {
            Content::Beside { temporary, .. } => temporary.file(),
            Content::Gathered { file, .. } => file,
        }
    }

    /// The path that it will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it in its place.
    pub fn finish(self) -> Result<()> {
        let finished = match self.content {
            Content::Beside { temporary, place, old } => temporary.place(&place, old.as_ref()),
            Content::Gathered { mut file, destination } => pass_on(&mut file, &destination),
        };
        finished.map_err(Error::io("write", &self.path))
    }
}

fn pass_on(file: &mut File, destination: &Destination) -> std::io::Result<()> {
    file.rewind()?;
    match destination.open()? {
        Some(mut open) => unless_closed(std::io::copy(file, &mut open).map(drop)),
        None => Ok(()),
    }
}
