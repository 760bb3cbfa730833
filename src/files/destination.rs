//! What the path of an output file names: a file to replace, or something to write through.

use super::paths::folder_of;
use crate::{Error, Result};
use std::fs::{File, Metadata};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The path that stands for standard output.
const STANDARD_OUTPUT: &str = "-";

/// Symbolic links that are followed, as many as Linux follows.
const MOST_LINKS: usize = 40;

/// Where the content of an output file goes.
#[derive(Debug)]
pub(super) enum Destination {
    /// A regular file, or nothing yet: the new file takes its name. The path is no symbolic link.
    Replaced {
        /// Its path, behind all symbolic links.
        path: PathBuf,
        /// The file that is there.
        old: Option<Metadata>,
    },
    /// A device, a FIFO, or an open descriptor as `/dev/fd` names it: it stays, and content is written to it.
    Through(PathBuf),
    /// `-` and what leads to the same descriptor, such as `/dev/stdout`.
    StandardOutput,
    /// A path to the descriptor of standard error.
    #[cfg(unix)]
    StandardError,
}

/// Why a path cannot be an output file.
#[derive(Debug)]
pub(super) struct Refusal {
    problem: &'static str,
    mend: &'static str,
}

impl Refusal {
    /// The error where the path is all that is known.
    pub fn of_file(self, path: &Path) -> Error {
        Error::file(path, format!("it {}", self.problem), self.mend)
    }

    /// The error where an argument gave the path.
    pub fn of_argument(self, argument: &str, path: &Path) -> Error {
        Error::setting(argument, format!("{} {}", path.display(), self.problem), self.mend)
    }
}

impl Destination {
    /// Looks at what `path` names now. Symbolic links are followed, to a file that is not there yet too.
    pub fn of(path: &Path) -> std::result::Result<Self, Refusal> {
        if path.as_os_str() == STANDARD_OUTPUT {
            return Ok(Self::StandardOutput);
        }
        let mut path = path.to_path_buf();
        for _ in 0..=MOST_LINKS {
            // A path without metadata is taken for missing; creating the file gives the error.
            let Ok(there) = path.symlink_metadata() else { return Ok(Self::Replaced { path, old: None }) };
            if let Some(open) = open_descriptor(&path) {
                return Ok(open);
            }
            let kind = there.file_type();
            if kind.is_symlink() {
                let Ok(target) = path.read_link() else { return Ok(Self::Replaced { path, old: None }) };
                path = folder_of(&path).join(target);
            } else if kind.is_file() {
                return Ok(Self::Replaced { path, old: Some(there) });
            } else if kind.is_dir() {
                return Err(Refusal { problem: "is a folder", mend: "name a file" });
            } else if is_socket(&there) {
                return Err(Refusal { problem: "is a socket", mend: "name a file, a pipe or a device" });
            } else {
                return Ok(Self::Through(path));
            }
        }
        Err(Refusal { problem: "leads through symbolic links without end", mend: "name another file" })
    }

    /// Opens what is written through; None for what is replaced. A FIFO waits for its reader.
    pub fn open(&self) -> std::io::Result<Option<File>> {
        match self {
            Self::Replaced { .. } => Ok(None),
            Self::Through(path) => {
                // A regular file behind a descriptor may have content that has to stay.
                let appends = path.metadata()?.is_file();
                File::options().write(true).append(appends).open(path).map(Some)
            }
            // The descriptors themselves, since a file that is opened anew would be written from its beginning.
            Self::StandardOutput => {
                std::io::stdout().flush()?;
                duplicate(&std::io::stdout()).map(Some)
            }
            #[cfg(unix)]
            Self::StandardError => duplicate(&std::io::stderr()).map(Some),
        }
    }
}

/// The outcome of writing to a device or a pipe. A reader that closes it early is no error.
pub(super) fn unless_closed(written: std::io::Result<()>) -> std::io::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Whether what is written to this path comes out of the program's standard output.
pub fn is_standard_output(path: &Path) -> bool {
    matches!(Destination::of(path), Ok(Destination::StandardOutput))
}

/// Opens what a path names if it is no regular file, but a device, a FIFO or standard output; None where it is a
/// regular file or not there.
pub(crate) fn open_through(path: &Path) -> Result<Option<File>> {
    let destination = Destination::of(path).map_err(|refusal| refusal.of_file(path))?;
    destination.open().map_err(Error::io("write", path))
}

#[cfg(unix)]
fn duplicate(stream: &impl std::os::fd::AsFd) -> std::io::Result<File> {
    stream.as_fd().try_clone_to_owned().map(File::from)
}

#[cfg(windows)]
fn duplicate(stream: &impl std::os::windows::io::AsHandle) -> std::io::Result<File> {
    stream.as_handle().try_clone_to_owned().map(File::from)
}

#[cfg(unix)]
fn is_socket(there: &Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_socket(&there.file_type())
}

#[cfg(not(unix))]
fn is_socket(_: &Metadata) -> bool {
    false
}

/// Where the system shows open descriptors as files, and those of this process.
#[cfg(target_os = "linux")]
const DESCRIPTORS: [&str; 2] = ["/proc", "/proc/self/fd"];
#[cfg(all(unix, not(target_os = "linux")))]
const DESCRIPTORS: [&str; 2] = ["/dev/fd", "/dev/fd"];

/// What a path stands for that is an open descriptor (`/proc/self/fd/63`). It may look like a link or like the file
/// itself, but it can be neither followed nor replaced.
#[cfg(unix)]
fn open_descriptor(path: &Path) -> Option<Destination> {
    let folder = folder_of(path).canonicalize().ok()?;
    let [all, own] = DESCRIPTORS.map(Path::new);
    if !folder.starts_with(all) {
        return None;
    }
    let own = own.canonicalize().is_ok_and(|own| own == folder);
    match path.file_name().and_then(|name| name.to_str()) {
        Some("1") if own => Some(Destination::StandardOutput),
        Some("2") if own => Some(Destination::StandardError),
        _ => Some(Destination::Through(path.into())),
    }
}

#[cfg(not(unix))]
fn open_descriptor(_: &Path) -> Option<Destination> {
    None
}
