//! CIFAR-100's two binary batches in a folder.
//!
//! A batch is a row of records: a byte for the superclass (0 to 19), one for the class (0 to 99), then 3,072 bytes of
//! pixels as in CIFAR-10. Labels are the classes; superclasses are the groups of the training images, so that
//! collaborators can be dealt one each.

use super::cifar10::{SHAPE, check_limit, check_records, read_file};
use super::groups::Groups;
use super::idx::Origin;
use super::lookup::find;
use super::{DataPair, Dataset};
use crate::text::grouped;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

const CLASSES: u8 = 100;
const SUPERCLASSES: u8 = 20;
/// Bytes of a record: both labels and the pixels.
const RECORD: usize = 2 + 3 * 32 * 32;
const TRAIN: &str = "train.bin";
const TEST: &str = "test.bin";
/// The folder inside the archive.
const FOLDER: &str = "cifar-100-binary";
/// The largest batch that is read: two of them, in what 32-bit offsets can address.
const MAX_BATCH: u64 = u32::MAX as u64 / 2;

/// The folder with the batches: this one, or its sub-folder of the usual name.
pub(super) fn locate(folder: &Path) -> Option<PathBuf> {
    let has_batch = |folder: &PathBuf| [TRAIN, TEST].iter().any(|name| find(folder, name).is_some());
    [folder.to_path_buf(), folder.join(FOLDER)].into_iter().find(has_batch)
}

/// Reads both.
pub(super) fn load(name: &str, folder: &Path, mend: &str) -> Result<DataPair> {
    let (mut train, superclasses) = batch(name, folder, TRAIN, mend)?;
    let (test, _) = batch(name, folder, TEST, mend)?;
    let names: Vec<_> = superclasses.iter().map(u8::to_string).collect();
    train.groups = Some(Groups::new(&names));
    Ok(DataPair { train, test })
}

/// A batch, and the superclass of each of its images.
fn batch(name: &str, folder: &Path, batch: &str, mend: &str) -> Result<(Dataset, Vec<u8>)> {
    let path = find(folder, batch).ok_or_else(|| {
        let mend = format!("put {TRAIN} and {TEST}, the binary version of CIFAR-100, there");
        Error::file(folder, format!("{batch} is missing"), mend)
    })?;
    let origin = Origin { path: &path, mend };
    let content = read_file(origin, MAX_BATCH)?;
    check(&content, origin)?;
    let records = content.len() / RECORD;
    let mut images = Vec::new();
    let room = images.try_reserve_exact(records * SHAPE.pixels());
    room.map_err(|_| origin.too_large(content.len() as u64, batch))?;
    let (mut labels, mut superclasses) = (Vec::with_capacity(records), Vec::with_capacity(records));
    for record in content.chunks_exact(RECORD) {
        superclasses.push(record[0]);
        labels.push(record[1]);
        images.extend_from_slice(&record[2..]);
    }
    let classes = usize::from(CLASSES);
    let dataset = Dataset { name: name.to_string(), images, labels, shape: SHAPE, classes, groups: None };
    Ok((dataset, superclasses))
}

/// Says what is wrong with a batch.
fn check(content: &[u8], origin: Origin<'_>) -> Result<()> {
    check_limit(content, MAX_BATCH, origin)?;
    check_records(content, RECORD, origin)?;
    for (place, record) in content.chunks_exact(RECORD).enumerate() {
        for (what, label, count) in [("superclass", record[0], SUPERCLASSES), ("class", record[1], CLASSES)] {
            if label >= count {
                let (place, last) = (grouped(place), count - 1);
                let problem = format!("record {place} has {what} {label}, but CIFAR-100 has 0 to {last}");
                return Err(origin.error(problem));
            }
        }
    }
    Ok(())
}

/// True where the folder has the pickled batches for Python instead of the binary ones.
pub(super) fn is_python_version(folder: &Path) -> bool {
    folder.join("cifar-100-python").is_dir()
        || ["train", "test", "meta"].iter().all(|name| folder.join(name).is_file())
}
