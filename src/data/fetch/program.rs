//! Runs a program of the system that downloads or unpacks, to its end or until the time is up.

use super::delivery::Failure;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A program that is run in a folder.
pub(super) struct Program<'a> {
    /// What failures call it.
    pub shown: &'a str,
    /// Its name on the PATH.
    pub name: &'a str,
    /// For all that it does.
    pub limit: Duration,
    /// What it said of its failure, by the file of its messages.
    pub reason: fn(&Path) -> String,
}

impl Program<'_> {
    /// Runs it to its end in `folder`, or until the time is up.
    pub fn run(&self, arguments: &[&str], folder: &Path) -> Result<(), Failure> {
        // Into a file rather than a pipe, which would have to be emptied while the program runs.
        let messages = folder.join("messages");
        let child = Command::new(self.name)
            .args(arguments)
            .current_dir(folder)
            // What it puts there for a while may not fit elsewhere, or not be allowed.
            .env("TMPDIR", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&messages)?)
            .spawn();
        let shown = self.shown;
        let child = child.map_err(|e| match e.kind() {
            ErrorKind::NotFound => Failure::Route(format!("{shown} is not on the PATH")),
            _ => Failure::Route(format!("{shown} does not start ({e})")),
        })?;
        match wait(child, self.limit)? {
            None => Err(Failure::Route(format!("{shown} took longer than {} s", self.limit.as_secs()))),
            Some(status) if status.success() => Ok(()),
            Some(_) => Err(Failure::Route((self.reason)(&messages))),
        }
    }
}

/// Waits for a program; ends it when the time is up.
fn wait(mut child: Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() >= limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The one file with this ending in a folder.
pub(super) fn left_in(folder: &Path, ending: &str) -> std::io::Result<Option<PathBuf>> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == ending) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
