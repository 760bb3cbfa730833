//! Reads a data set out of a folder, whatever kind of files it has.

use super::cifar10::{self, Place};
use super::cifar100;
use super::class_folders;
use super::emnist;
use super::groups::{self, Groups};
use super::halves::{Half, OWN_MEND, check_counts, pair};
use super::idx::{Kind, Origin, open};
use super::leaf;
use super::lookup::find;
use super::numpy;
use super::source::{self, Format, Source};
use super::{DataPair, Split, verified};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// Reads a data set of the table from its folder, and holds it to the table's hashes.
pub fn load_source(source: &Source, folder: &Path) -> Result<DataPair> {
    let fetch = format!("fedfunnel data fetch {}", source.name);
    let mend = format!("download it again with {fetch}");
    let place = source.place(folder);
    if let Place::Loose(folder) = &place {
        let missing: Vec<_> = source.files.iter().filter(|file| find(folder, file.name).is_none()).collect();
        if missing.len() == source.files.len() {
            let mend = format!("run `{fetch}`, or use `--data {}`", source.sample);
            return Err(Error::file(folder, format!("{} is not there yet", source.name), mend));
        }
        if let Some(file) = missing.first() {
            return Err(Error::file(folder, format!("{} is missing", file.name), format!("run `{fetch}`")));
        }
    }
    let read = match source.format {
        Format::Idx => read_idx_folder(source.name, place.path(), Some(source.classes), &mend),
        Format::Cifar10 => cifar10::load(source.name, &place, source.records(), &mend),
    };
    let data = read.map_err(|error| match error {
        // The mend for any damaged file is to fetch the table's own.
        Error::File { path, problem, .. } => Error::File { path, problem, mend: mend.clone() },
        other => other,
    })?;
    // After the reading, whose errors say more about a damaged file.
    verified::check(source, &place)?;
    with_groups(data, folder)
}

/// The data with the groups that a file beside them names; with those that they have where there is none.
fn with_groups(mut data: DataPair, folder: &Path) -> Result<DataPair> {
    if let Some(groups) = groups::read(folder, data.train.len(), OWN_MEND)? {
        data.train.groups = Some(groups);
    }
    Ok(data)
}

/// Reads the user's own folder. Of IDX files, the largest label tells the number of classes; where
/// batches of CIFAR-10 lie beside them, the IDX files are read.
pub(super) fn load_folder(name: &str, folder: &Path) -> Result<DataPair> {
    let has_idx = [Split::Train, Split::Test]
        .iter()
        .any(|&split| ["images", "labels"].iter().any(|part| find_part(folder, split, part).is_ok()));
    if has_idx {
        return with_groups(read_idx_folder(name, folder, None, OWN_MEND)?, folder);
    }
    // Where there are several parts of EMNIST, none was found.
    emnist::prefix(folder, Split::Train)?;
    if let Some(place) = cifar10::locate(folder) {
        return with_groups(cifar10::load(name, &place, None, OWN_MEND)?, folder);
    }
    if let Some(place) = cifar100::locate(folder) {
        return with_groups(cifar100::load(name, &place, OWN_MEND)?, folder);
    }
    if numpy::is_one(folder) {
        return with_groups(numpy::load_folder(name, folder)?, folder);
    }
    if let Some(place) = leaf::locate(folder) {
        return leaf::load(name, &place);
    }
    if class_folders::is_one(folder) {
        return class_folders::load(name, folder);
    }
    if cifar10::is_python_version(folder) {
        let mend = format!("use the binary version, as `fedfunnel data fetch {}` brings it", cifar10::NAME);
        return Err(Error::file(folder, "it holds the Python version of CIFAR-10", mend));
    }
    if cifar100::is_python_version(folder) {
        let mend = "use the binary version, with train.bin and test.bin";
        return Err(Error::file(folder, "it holds the Python version of CIFAR-100", mend));
    }
    Err(Error::file(folder, "it holds no images that can be read", format!("give {}", source::PATHS)))
}

fn read_idx_folder(name: &str, folder: &Path, classes: Option<usize>, mend: &str) -> Result<DataPair> {
    let half = |split| -> Result<Half> {
        let images_path = find_part(folder, split, "images")?;
        let labels_path = find_part(folder, split, "labels")?;
        let images = open(Kind::Images, Origin { path: &images_path, mend })?;
        let labels = open(Kind::Labels, Origin { path: &labels_path, mend })?;
        // Both headers are there before the pixels, which may take a while to unpack, are read.
        check_counts(images.count(), &images_path, labels.count(), &labels_path)?;
        let (images, (labels, writers)) = (images.images()?, labels.labels_and_writers()?);
        let names = |writers: Vec<i32>| writers.iter().map(i32::to_string).collect::<Vec<_>>();
        let groups = writers.map(|writers| Groups::new(&names(writers)));
        Ok(emnist::straighten(Half { images, labels, groups, images_path, labels_path }))
    };
    pair(name, half(Split::Train)?, half(Split::Test)?, classes, mend)
}

/// The file with the images or the labels of a split, under any of the names in use.
fn find_part(folder: &Path, split: Split, part: &str) -> Result<PathBuf> {
    let prefixes: &[&str] = match split {
        Split::Train => &["train", "qmnist-train"],
        Split::Test => &["t10k", "test", "qmnist-test"],
    };
    // QMNIST's labels are the only ones that are no bytes.
    let contents: &[&str] = if part == "images" { &["3-ubyte", "4-ubyte"] } else { &["1-ubyte", "2-int"] };
    let own = emnist::prefix(folder, split)?;
    let names = prefixes.iter().copied().chain(own.as_deref()).flat_map(|prefix| {
        contents.iter().flat_map(move |content| {
            // Some archives were unpacked by a program that wrote a dot for the first hyphen.
            ['-', '.'].map(|separator| format!("{prefix}-{part}{separator}idx{content}"))
        })
    });
    names.clone().find_map(|name| find(folder, &name)).ok_or_else(|| {
        let first = names.clone().next().unwrap_or_default();
        let mend = format!("put them there as {first} or {first}.gz");
        Error::file(folder, format!("the {split} {part} are not there"), mend)
    })
}
