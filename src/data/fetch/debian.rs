//! Takes files out of a folder of the system, or out of a Debian package that nobody has to install.

use super::super::archive;
use super::super::lookup::find;
use super::delivery::{Delivery, Failure};
use super::program::{Program, left_in};
use crate::Error;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::Duration;

/// For the whole download of a package of some 30 MB.
const LIMIT: Duration = Duration::from_secs(300);

/// Takes the files that lie in a folder, plain or gzipped.
pub(super) fn folder(path: &Path, delivery: &mut Delivery<'_>) -> Result<(), Failure> {
    if !path.is_dir() {
        return Err(Failure::Route("it is not there".into()));
    }
    for file in delivery.missing.clone() {
        let found = find(path, file.name);
        let found = found.ok_or_else(|| Failure::Route(format!("{} is not in it", file.name)))?;
        let content = delivery.counting(file.name, Some(found.metadata()?.len()), File::open(&found)?);
        let plain = archive::plain(BufReader::new(content))?;
        let content = archive::read_capped(plain, file.bytes)?;
        delivery.accept(file, &content)?;
    }
    Ok(())
}

/// Has apt download a package, and takes the files out of its `inside`. Nothing is installed, so that it takes no root.
pub(super) fn package(package: &str, inside: &str, delivery: &mut Delivery<'_>) -> Result<(), Failure> {
    let place = delivery.folder()?;
    let temporary = tempfile::Builder::new().prefix(".fedfunnel-").tempdir_in(place);
    let temporary = temporary.map_err(|e| Failure::Local(Error::io("write in the folder", place)(e)))?;
    let program = |name| Program { shown: name, name, limit: LIMIT, reason };
    program("apt-get").run(&["download", "-qq", package], temporary.path())?;
    let downloaded = left_in(temporary.path(), "deb")?;
    let downloaded = downloaded.ok_or_else(|| Failure::Route("apt-get left no package behind".into()))?;
    let name = downloaded.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    program("dpkg-deb").run(&["--extract", name, "content"], temporary.path())?;
    folder(&temporary.path().join("content").join(inside), delivery)
}

/// The first error of a program's messages.
fn reason(messages: &Path) -> String {
    let messages = std::fs::read(messages).unwrap_or_default();
    let messages = String::from_utf8_lossy(&messages);
    let error =
        messages.lines().find_map(|line| line.strip_prefix("E: ").or(line.strip_prefix("dpkg-deb: error: ")));
    error.map_or_else(|| "it failed".into(), |error| format!("it failed with \"{}\"", error.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_says_of_its_failure_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("messages");
        std::fs::write(&path, "W: a warning\nE: Unable to locate package nothing\nE: more\n").unwrap();
        assert_eq!(reason(&path), "it failed with \"Unable to locate package nothing\"");
        std::fs::write(&path, "").unwrap();
        assert_eq!(reason(&path), "it failed");
    }
}
