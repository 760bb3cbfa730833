//! CIFAR-10's binary batches, loose in a folder or inside their archive.
//!
//! A batch is a row of records: one byte of label, then 3,072 bytes of pixels `[3, 32, 32]`, red, green
//! and blue. There is no header, so a damaged batch shows by its size and by labels that no class has.

use super::archive;
use super::idx::Origin;
use super::lookup::find;
use super::{DataPair, Dataset, ImageShape};
use crate::text::{counted, grouped};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

/// The name it is loaded by.
pub(super) const NAME: &str = "cifar10";
pub(super) const CLASSES: usize = 10;
/// Red, green and blue.
pub(super) const SHAPE: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };
/// Bytes of a record: label and pixels.
pub(super) const RECORD: usize = 1 + 3 * 32 * 32;
/// Records of a canonical batch.
pub(super) const BATCH: usize = 10_000;
pub(super) const TRAIN_BATCHES: [&str; 5] =
    ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];
pub(super) const TEST_BATCH: &str = "test_batch.bin";
/// The folder inside the archive.
pub(super) const FOLDER: &str = "cifar-10-batches-bin";
/// The archive's usual name.
pub(super) const ARCHIVE: &str = "cifar-10-binary.tar.gz";
/// The largest batch that is read of a user's own: six of them, in what 32-bit offsets can address.
const MAX_BATCH: u64 = u32::MAX as u64 / 6;

/// The place of batches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// Side by side in this folder, or some of them.
    Loose(PathBuf),
    /// In this archive.
    Archive(PathBuf),
}

impl Place {
    /// The folder or the archive.
    pub fn path(&self) -> &Path {
        match self {
            Self::Loose(path) | Self::Archive(path) => path,
        }
    }
}

/// The batches in a folder: loose, loose in its sub-folder of their usual name, or in their archive.
pub(super) fn locate(folder: &Path) -> Option<Place> {
    let has_batches = |folder: &PathBuf| names().any(|name| find(folder, name).is_some());
    let loose = [folder.to_path_buf(), folder.join(FOLDER)].into_iter().find(has_batches);
    let archive = || Some(folder.join(ARCHIVE)).filter(|path| path.is_file());
    loose.map(Place::Loose).or_else(|| archive().map(Place::Archive))
}

/// Every batch, in order.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    TRAIN_BATCHES.into_iter().chain([TEST_BATCH])
}

/// Reads the batches. `records` is how many each must have, where that is known.
pub(super) fn load(name: &str, place: &Place, records: Option<usize>, mend: &str) -> Result<DataPair> {
    let mut archived = match place {
        Place::Loose(_) => BTreeMap::new(),
        Place::Archive(path) => read_archive(path, records, mend)?,
    };
    let mut read = |batch: &str| match place {
        Place::Loose(folder) => read_loose(folder, batch, records, mend),
        Place::Archive(path) => archived.remove(batch).ok_or_else(|| absent(path, batch)),
    };
    let mut dataset = |batches: &[&str]| -> Result<Dataset> {
        let (mut images, mut labels) = (Vec::new(), Vec::new());
        for batch in batches {
            let content = read(batch)?;
            let room = images.try_reserve(content.len());
            room.map_err(|_| Origin { path: place.path(), mend }.too_large(content.len() as u64, batch))?;
            for record in content.chunks_exact(RECORD) {
                labels.push(record[0]);
                images.extend_from_slice(&record[1..]);
            }
        }
        images.shrink_to_fit();
        Ok(Dataset { name: name.to_string(), images, labels, shape: SHAPE, classes: CLASSES, groups: None })
    };
    Ok(DataPair { train: dataset(&TRAIN_BATCHES)?, test: dataset(&[TEST_BATCH])? })
}

fn read_loose(folder: &Path, batch: &str, records: Option<usize>, mend: &str) -> Result<Vec<u8>> {
    let path = find(folder, batch).ok_or_else(|| {
        let mend = format!("put all six batches there, {} to {TEST_BATCH}", TRAIN_BATCHES[0]);
        Error::file(folder, format!("{batch} is missing"), mend)
    })?;
    let origin = Origin { path: &path, mend };
    let content = read_file(origin, limit(records))?;
    check(&content, records, origin)?;
    Ok(content)
}

/// A batch's file, plain or gzipped, and no more of it than a byte beyond the limit.
pub(super) fn read_file(origin: Origin<'_>, limit: u64) -> Result<Vec<u8>> {
    let file = File::open(origin.path).map_err(Error::io("read", origin.path))?;
    archive::plain(BufReader::new(file))
        .and_then(|plain| archive::read_capped(plain, limit))
        .map_err(|error| origin.damaged(error))
}

/// All batches of an archive, by name; they come in any order.
fn read_archive(path: &Path, records: Option<usize>, mend: &str) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut batches = BTreeMap::new();
    let file = File::open(path).map_err(Error::io("read", path))?;
    let mut wrong = Ok(());
    let read = archive::each_file(BufReader::new(file), FOLDER, |name, content| -> io::Result<bool> {
        if names().any(|batch| batch == name) {
            let content = archive::read_capped(content, limit(records))?;
            wrong = check(&content, records, Origin { path: &path.join(FOLDER).join(name), mend });
            batches.insert(name.to_string(), content);
        }
        Ok(wrong.is_ok() && batches.len() < names().count())
    });
    read.map_err(|error| Error::file(path, format!("the archive is damaged or ends early ({error})"), mend))?;
    wrong?;
    match names().find(|batch| !batches.contains_key(*batch)) {
        Some(batch) => Err(absent(path, batch)),
        None => Ok(batches),
    }
}

fn absent(path: &Path, batch: &str) -> Error {
    let mend = format!("use {ARCHIVE}, the binary version of CIFAR-10, or run `fedfunnel data fetch {NAME}`");
    Error::file(path, format!("{FOLDER}/{batch} is not in it"), mend)
}

fn limit(records: Option<usize>) -> u64 {
    records.map_or(MAX_BATCH, |records| (records * RECORD) as u64)
}

/// Refuses a batch that goes on beyond the limit, where reading stopped.
pub(super) fn check_limit(content: &[u8], limit: u64, origin: Origin<'_>) -> Result<()> {
    if content.len() as u64 <= limit {
        return Ok(());
    }
    Err(origin.error(format!("it has more than {} bytes", grouped(limit))))
}

/// Refuses a batch that is not made of records of so many bytes.
pub(super) fn check_records(content: &[u8], record: usize, origin: Origin<'_>) -> Result<()> {
    if content.is_empty() {
        return Err(origin.error("it is empty"));
    }
    if !content.len().is_multiple_of(record) {
        let (there, record) = (grouped(content.len()), grouped(record));
        return Err(origin.error(format!("it has {there} bytes, not a whole number of records of {record}")));
    }
    Ok(())
}

/// Says what is wrong with a batch.
fn check(content: &[u8], records: Option<usize>, origin: Origin<'_>) -> Result<()> {
    let there = content.len() as u64;
    check_limit(content, limit(records), origin)?;
    if let Some(records) = records.filter(|records| records * RECORD != content.len()) {
        let (there, expected, records) =
            (grouped(there), grouped(records * RECORD), counted(records, "record"));
        return Err(origin.error(format!("it has {there} bytes instead of {expected}, which {records} take")));
    }
    check_records(content, RECORD, origin)?;
    match content.iter().step_by(RECORD).position(|&label| usize::from(label) >= CLASSES) {
        None => Ok(()),
        Some(place) => {
            let (label, place, last) = (content[place * RECORD], grouped(place), CLASSES - 1);
            let problem = format!("record {place} has label {label}, but CIFAR-10 has classes 0 to {last}");
            Err(origin.error(problem))
        }
    }
}

/// True where the folder has the pickled batches for Python instead of the binary ones.
pub(super) fn is_python_version(folder: &Path) -> bool {
    folder.join("data_batch_1").is_file() || folder.join("cifar-10-batches-py").is_dir()
}
