//! Takes in the files that a route brings: verifies each, then writes it.

use super::super::source::SourceFile;
use super::FetchEvent;
use crate::Error;
use crate::digest::copy_hashed;
use crate::files::write_atomic;
use std::io::Read;
use std::path::Path;

/// Why a route stopped.
pub(super) enum Failure {
    /// This route is at fault: the next one may do.
    Route(String),
    /// This computer is at fault (a full disk, say): no other route would do better.
    Local(Error),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Route(error.to_string())
    }
}

/// The files that are still missing, and those that came.
pub(super) struct Delivery<'a> {
    /// The data set's folder.
    pub dir: &'a Path,
    progress: &'a dyn Fn(FetchEvent<'_>),
    /// Files not there yet.
    pub missing: Vec<&'a SourceFile>,
    /// Files that came, each with its route.
    pub fetched: Vec<(&'a str, String)>,
    /// The route in use.
    pub route: String,
}

impl<'a> Delivery<'a> {
    pub fn new(dir: &'a Path, missing: Vec<&'a SourceFile>, progress: &'a dyn Fn(FetchEvent<'_>)) -> Self {
        Self { dir, progress, missing, fetched: Vec::new(), route: String::new() }
    }

    /// The data set's folder, made if it is not there. What is downloaded to be unpacked lies in it meanwhile: there
    /// is room for it where its content goes.
    pub fn folder(&self) -> Result<&'a Path, Failure> {
        let made = std::fs::create_dir_all(self.dir);
        made.map_err(|e| Failure::Local(Error::io("create the folder", self.dir)(e)))?;
        Ok(self.dir)
    }

    /// The missing file of this name.
    pub fn wants(&self, name: &str) -> Option<&'a SourceFile> {
        self.missing.iter().copied().find(|file| file.name == name)
    }

    /// Verifies and writes a file.
    pub fn accept(&mut self, file: &'a SourceFile, content: &[u8]) -> Result<(), Failure> {
        let hashed = copy_hashed(content, &mut std::io::sink())?;
        if let Some(difference) = file.difference(&hashed, "came") {
            return Err(Failure::Route(difference));
        }
        write_atomic(&self.dir.join(file.name), content).map_err(Failure::Local)?;
        self.missing.retain(|missing| missing.name != file.name);
        self.fetched.push((file.name, self.route.clone()));
        (self.progress)(FetchEvent::Stored { file: file.name });
        Ok(())
    }

    /// Reports what is read through it as the progress of `name`.
    pub fn counting<R: Read>(&self, name: &'a str, total: Option<u64>, inner: R) -> Counting<'a, R> {
        Counting { inner, name, done: 0, reported: 0, total, progress: self.progress }
    }
}

/// A reader that reports how far it got.
pub(super) struct Counting<'a, R> {
    inner: R,
    name: &'a str,
    done: u64,
    reported: u64,
    total: Option<u64>,
    progress: &'a dyn Fn(FetchEvent<'_>),
}

/// Bytes between two reports: often enough for a smooth bar, seldom enough to cost nothing.
const REPORT_EVERY: u64 = 64 * 1024;

impl<R: Read> Read for Counting<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.done += read as u64;
        let ended = read == 0 && !buffer.is_empty();
        if self.done > self.reported && (ended || self.done - self.reported >= REPORT_EVERY) {
            self.reported = self.done;
            (self.progress)(FetchEvent::Progress { file: self.name, done: self.done, total: self.total });
        }
        Ok(read)
    }
}
