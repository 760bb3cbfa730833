//! A file that is not seen under its name yet.
//!
//! On Linux it has no name at all until it is whole, so that a process that is killed leaves nothing. Elsewhere, and
//! in file systems that have no files without names, it lies beside its place under a name that says what it is; see
//! [`leftovers`](super::leftovers).

use super::leftovers;
use std::fs::{File, Metadata};
use std::io::Result;
use std::path::Path;
use tempfile::NamedTempFile;

/// A file that takes its name when it is whole.
#[derive(Debug)]
pub(super) enum Temporary {
    /// Without a name.
    #[cfg(target_os = "linux")]
    Unnamed(File),
    /// Under a name of its own, which goes with it.
    Named(NamedTempFile),
}

impl Temporary {
    /// Begins a file in a folder. A `private` one can be opened by its owner only, until it gets another mode; any
    /// other has the mode of new files, which the process's umask decides.
    pub fn create(folder: &Path, private: bool) -> Result<Self> {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{Mode, OFlags};
            let mode = Mode::from_raw_mode(mode(private));
            let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
            // Where this fails, a named file is tried, whose error is the one to report.
            if let Ok(file) = rustix::fs::open(folder, flags, mode) {
                return Ok(Self::Unnamed(file.into()));
            }
        }
        Self::named(folder, private)
    }

    /// The same under a name.
    pub fn named(folder: &Path, private: bool) -> Result<Self> {
        let prefix = leftovers::prefix();
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode(private)));
        #[cfg(not(unix))]
        let _ = private;
        loop {
            let file = builder.tempfile_in(folder)?;
            leftovers::hold(file.as_file());
            // Another process may have taken it for a leftover before it was held.
            if file.path().symlink_metadata().is_ok() {
                return Ok(Self::Named(file));
            }
        }
    }

    /// The file for its content.
    pub fn file(&mut self) -> &mut File {
        match self {
            #[cfg(target_os = "linux")]
            Self::Unnamed(file) => file,
            Self::Named(file) => file.as_file_mut(),
        }
    }

    /// Gives it the name `path` in its folder, over a file that has it. Its content is on the disk before.
    pub fn place(mut self, path: &Path, old: Option<&Metadata>) -> Result<()> {
        if let Some(old) = old {
            be_like(self.file(), old);
        }
        self.file().sync_all()?;
        match self {
            #[cfg(target_os = "linux")]
            Self::Unnamed(file) => place_unnamed(file, path),
            Self::Named(file) => file.persist(path).map(drop).map_err(|refused| refused.error),
        }
    }
}

#[cfg(unix)]
fn mode(private: bool) -> u32 {
    if private { 0o600 } else { 0o666 }
}

/// Gives a file the mode of the one that it replaces, and its owner where that is allowed. In a file system that has
/// no modes it stays as it is.
#[cfg(unix)]
fn be_like(file: &File, old: &Metadata) {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    let differs = |now: Metadata| (now.uid(), now.gid()) != (old.uid(), old.gid());
    if file.metadata().is_ok_and(differs) {
        let _ = fchown(file, Some(old.uid()), Some(old.gid()));
    }
    let _ = file.set_permissions(PermissionsExt::from_mode(old.mode() & 0o777));
}

#[cfg(not(unix))]
fn be_like(_: &File, _: &Metadata) {}

/// Names a file. Only a name that is free can be given to it at once; else it gets another one for a moment.
#[cfg(target_os = "linux")]
fn place_unnamed(mut file: File, path: &Path) -> Result<()> {
    let folder = super::folder_of(path);
    let placed = match link(&file, path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            leftovers::hold(&file);
            let prefix = leftovers::prefix();
            let named = tempfile::Builder::new().prefix(&prefix).make_in(folder, |name| link(&file, name));
            named.map(|named| named.into_temp_path())
        }
        other => return other.or_else(|_| copy_named(&mut file, path)),
    };
    match placed {
        Ok(named) => named.persist(path).map_err(|refused| refused.error),
        Err(_) => copy_named(&mut file, path),
    }
}

#[cfg(target_os = "linux")]
fn link(file: &File, path: &Path) -> Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    use std::os::fd::AsRawFd;
    let from = format!("/proc/self/fd/{}", file.as_raw_fd());
    linkat(CWD, from, CWD, path, AtFlags::SYMLINK_FOLLOW).map_err(Into::into)
}

/// Places a copy, where files without names can be made but not named, as without `/proc`.
#[cfg(target_os = "linux")]
fn copy_named(file: &mut File, path: &Path) -> Result<()> {
    use std::io::Seek;
    let mut copy = Temporary::named(super::folder_of(path), true)?;
    file.rewind()?;
    std::io::copy(file, copy.file())?;
    let like = file.metadata()?;
    copy.place(path, Some(&like))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_in_the_making_has_no_name_that_a_kill_could_leave() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = Temporary::create(folder.path(), false).unwrap();
        file.file().write_all(&[7; 100_000]).unwrap();
        // A file system without such files gives it a name after all.
        if matches!(file, Temporary::Unnamed(_)) {
            assert_eq!(names(folder.path()), Vec::<String>::new());
        }
        file.place(&folder.path().join("whole"), None).unwrap();
        assert_eq!(names(folder.path()), ["whole"]);
    }

    #[test]
    fn a_file_under_a_name_of_its_own_says_whose_it_is_and_is_not_taken_for_a_leftover() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = Temporary::named(folder.path(), false).unwrap();
        file.file().write_all(b"new").unwrap();
        leftovers::sweep(folder.path());
        let [name] = &names(folder.path())[..] else { panic!("one file") };
        assert!(name.starts_with(&format!(".fedfunnel-{}-", std::process::id())), "{name}");
        let path = folder.path().join("whole");
        std::fs::write(&path, "old").unwrap();
        file.place(&path, None).unwrap();
        assert_eq!(
            (names(folder.path()), std::fs::read(path).unwrap()),
            (vec!["whole".into()], b"new".into())
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_cannot_be_named_is_copied() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = Temporary::create(folder.path(), false).unwrap();
        file.file().write_all(b"content").unwrap();
        let mode = file.file().metadata().unwrap().permissions();
        let path = folder.path().join("whole");
        copy_named(file.file(), &path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"content");
        assert_eq!(path.metadata().unwrap().permissions(), mode);
        drop(file);
        assert_eq!(names(folder.path()), ["whole"]);
    }
}
