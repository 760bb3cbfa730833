//! Temporary files of processes that were killed, and their removal.
//!
//! The name of a temporary file is `.fedfunnel-PID-RANDOM`, and the process that writes it holds a lock on it, which
//! the system lifts when the process ends, however it ends. So a file of such a name whose lock is free is a leftover.
//! Earlier builds named theirs `.fedfunnel-RANDOM` and held no lock; those are leftovers a day after the last write
//! to them.

use crate::lock::lock;
use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// How all of their names begin.
const PREFIX: &str = ".fedfunnel-";

/// Letters and digits at the end of a name.
const RANDOM: usize = 6;

/// The time without a write after which a file that was never locked is a leftover.
const UNLOCKED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// The beginning of this process's names; random letters and digits follow.
pub(super) fn prefix() -> String {
    format!("{PREFIX}{}-", std::process::id())
}

/// Holds a file as one that is in the making, until it is closed. A file system without locks cannot, and there
/// nothing is taken for a leftover.
pub(super) fn hold(file: &File) {
    let _ = file.lock();
}

/// Removes leftovers in a folder, the first time that this process asks for it.
pub(super) fn sweep_once(folder: &Path) {
    static SWEPT: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);
    let Ok(folder) = folder.canonicalize() else { return };
    let mut swept = lock(&SWEPT);
    if swept.get_or_insert_default().insert(folder.clone()) {
        sweep(&folder);
    }
}

/// Removes leftovers in a folder. One that cannot be removed is no error, since no reader opens it.
pub(super) fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(locks) = name.to_str().and_then(held_by_lock) else { continue };
        // Nothing but a regular file is opened, and no link is followed.
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let _ = remove_leftover(&entry.path(), locks);
        }
    }
}

/// Whether a temporary file of this name is locked while it is written; None for any other name.
fn held_by_lock(name: &str) -> Option<bool> {
    let rest = name.strip_prefix(PREFIX)?;
    let is_random = |part: &str| part.len() == RANDOM && part.bytes().all(|b| b.is_ascii_alphanumeric());
    match rest.split_once('-') {
        None => is_random(rest).then_some(false),
        Some((process, random)) => {
            let is_number = !process.is_empty() && process.bytes().all(|b| b.is_ascii_digit());
            (is_number && is_random(random)).then_some(true)
        }
    }
}

fn remove_leftover(path: &Path, locks: bool) -> std::io::Result<()> {
    let file = File::options().read(true).write(true).open(path)?;
    // The lock is kept until the name is gone: a process that has just made the file waits, and makes another.
    file.try_lock()?;
    let idle = file.metadata()?.modified()?.elapsed().unwrap_or_default();
    if locks || idle > UNLOCKED_FOR { std::fs::remove_file(path) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn leftovers_of_dead_processes_go_and_everything_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let make = |name: &str| File::create(path(name)).unwrap();
        make(".fedfunnel-4242-Ab3xYz");
        let written = make(".fedfunnel-4242-Zz9aaa");
        hold(&written);
        make(".fedfunnel-Ab3xYz");
        let old = make(".fedfunnel-aaaaaa");
        old.set_modified(SystemTime::now() - UNLOCKED_FOR - Duration::from_secs(60)).unwrap();
        for name in ["fedfunnel-4242-Ab3xYz", ".fedfunnel-notes", ".fedfunnel-x-Ab3xYz", ".fedfunnel-1-Ab3xY"]
        {
            make(name);
        }
        std::fs::create_dir(path(".fedfunnel-4243-Ab3xYz")).unwrap();
        sweep(folder.path());
        assert!(!path(".fedfunnel-4242-Ab3xYz").exists());
        assert!(!path(".fedfunnel-aaaaaa").exists());
        // The one that is being written, a recent one that an earlier version may be writing, and what is not ours.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 7);
        drop(written);
        sweep(folder.path());
        assert!(!path(".fedfunnel-4242-Zz9aaa").exists());
    }
}
