//! Whether the files of a data set are those of the table, and what is remembered of that.
//!
//! A file is known by the SHA-256 of its plain content. To read all of a set for that takes a while, so what was found
//! is noted beside the files, and counts as long as a file keeps its size and its time of modification. Where nothing
//! can be written, files are read each time.

use super::archive::{self, plain};
use super::cifar10::{self, Place};
use super::idx::Origin;
use super::lookup::find;
use super::source::{Source, SourceFile};
use crate::digest::copy_hashed;
use crate::files::{folder_of, write_atomic};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// The name of the record in the folder of the files.
const RECORD: &str = "verified.json";

/// The verified files of a folder.
#[derive(Default, Serialize, Deserialize)]
struct Record {
    /// By the name of the file or the archive.
    files: BTreeMap<String, Found>,
}

/// A verified file, as it was then.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Found {
    /// Its size, compressed or not.
    bytes: u64,
    /// Its time of modification, in nanoseconds since 1970.
    modified_ns: u64,
    /// The SHA-256 of what it holds, in hexadecimal, by name: of itself, or of each file in an archive.
    sha256: BTreeMap<String, String>,
}

/// Refuses a data set of the table whose files are others. All of them are there.
pub(super) fn check(source: &Source, place: &Place) -> Result<()> {
    let mut record = Record::read(place);
    let mut news = false;
    for (path, files) in holders(source, place) {
        let before = Found::of(&path, &files);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if before.is_some() && before.as_ref() == record.files.get(&name) {
            continue;
        }
        let read = match (place, &files[..]) {
            (Place::Loose(_), [file]) => file_difference(file, &path),
            _ => archive_difference(source, &path),
        };
        let origin = Origin { path: &path, mend: "replace it with an undamaged copy" };
        if let Some(difference) = read.map_err(|error| origin.damaged(error))? {
            let (set, folder) = (source.name, path.parent().unwrap_or(&path).display());
            let problem = format!("it is not what {set} has there ({difference})");
            let own = format!("give a set of your own by its path, as --data {folder}");
            let mend = format!("download that with fedfunnel data fetch {set}, or {own}");
            return Err(Error::file(&path, problem, mend));
        }
        // A file that was changed meanwhile is read again the next time.
        if let Some(found) = before.filter(|before| Some(before) == Found::of(&path, &files).as_ref()) {
            record.files.insert(name, found);
            news = true;
        }
    }
    if news {
        record.write(place);
    }
    Ok(())
}

/// Notes that the files in a folder were compared with the table and are right.
pub(super) fn remember(source: &Source, folder: &Path) {
    let place = Place::Loose(folder.into());
    let mut record = Record::default();
    for (path, files) in holders(source, &place) {
        if let (Some(found), Some(name)) = (Found::of(&path, &files), path.file_name()) {
            record.files.insert(name.to_string_lossy().into_owned(), found);
        }
    }
    record.write(&place);
}

/// In what the plain content of a file, gzipped or not, differs from that of the table, if it does.
pub(super) fn file_difference(file: &SourceFile, path: &Path) -> io::Result<Option<String>> {
    compare(file, plain(BufReader::new(File::open(path)?))?)
}

/// Each file on the disk, with what it holds.
fn holders<'a>(source: &'a Source, place: &Place) -> Vec<(PathBuf, Vec<&'a SourceFile>)> {
    match place {
        Place::Archive(path) => vec![(path.clone(), source.files.iter().collect())],
        Place::Loose(folder) => {
            let there = |file: &'a SourceFile| Some((find(folder, file.name)?, vec![file]));
            source.files.iter().filter_map(there).collect()
        }
    }
}

fn archive_difference(source: &Source, path: &Path) -> io::Result<Option<String>> {
    let (mut seen, mut difference) = (0, None);
    archive::each_file(BufReader::new(File::open(path)?), cifar10::FOLDER, |name, content| {
        if let Some(file) = source.files.iter().find(|file| file.name == name) {
            difference = compare(file, content)?;
            seen += 1;
        }
        Ok::<_, io::Error>(difference.is_none() && seen < source.files.len())
    })?;
    Ok(difference)
}

fn compare(file: &SourceFile, content: impl Read) -> io::Result<Option<String>> {
    // One byte more than expected is enough to tell that there is too much.
    let content = copy_hashed(content.take(file.bytes.saturating_add(1)), &mut io::sink())?;
    Ok(file.difference(&content, "there"))
}

impl Found {
    /// The note of a file that holds these; None where its time is not known.
    fn of(path: &Path, files: &[&SourceFile]) -> Option<Self> {
        let about = path.metadata().ok()?;
        let modified = about.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        let sha256 = files.iter().map(|file| (file.name.to_string(), file.sha256.to_string())).collect();
        Some(Self { bytes: about.len(), modified_ns: modified.as_nanos().try_into().ok()?, sha256 })
    }
}

impl Record {
    fn path(place: &Place) -> PathBuf {
        match place {
            Place::Loose(folder) => folder.join(RECORD),
            Place::Archive(path) => folder_of(path).join(RECORD),
        }
    }

    /// The record of a folder; an empty one where it cannot be read.
    fn read(place: &Place) -> Self {
        let noted = std::fs::read(Self::path(place)).ok();
        noted.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Notes it. A folder in which nothing can be written only makes the next check take longer.
    fn write(&self, place: &Place) {
        if let Ok(text) = serde_json::to_string_pretty(self) {
            let _ = write_atomic(&Self::path(place), format!("{text}\n").as_bytes());
        }
    }
}
