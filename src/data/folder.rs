//! Reads a data set out of a folder with four IDX files, or with CIFAR-10's six batches.

use super::cifar10::{self, Place};
use super::groups::{self, Groups};
use super::idx::{Images, Kind, Origin, open};
use super::lookup::find;
use super::source::{self, Format, Source};
use super::{DataPair, Dataset, Split, verified};
use crate::text::counted;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// One half of a data set as read, with the files' names for the messages.
pub(super) struct Half {
    pub images: Images,
    pub labels: Vec<u8>,
    pub groups: Option<Groups>,
    pub images_path: PathBuf,
    pub labels_path: PathBuf,
}

/// What to do with a damaged file of the user's own.
pub(super) const OWN_MEND: &str = "replace it with an undamaged copy";

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
    if let Some(place) = cifar10::locate(folder) {
        return with_groups(cifar10::load(name, &place, None, OWN_MEND)?, folder);
    }
    if cifar10::is_python_version(folder) {
        let mend = format!("use the binary version, as `fedfunnel data fetch {}` brings it", cifar10::NAME);
        return Err(Error::file(folder, "it holds the Python version of CIFAR-10", mend));
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
        Ok(Half { images, labels, groups, images_path, labels_path })
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
    let names = prefixes.iter().flat_map(|prefix| {
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

/// Refuses files of images and of labels that hold a different number of them.
fn check_counts(images: usize, images_path: &Path, labels: usize, labels_path: &Path) -> Result<()> {
    if images == labels {
        return Ok(());
    }
    let (labels, images) = (counted(labels, "label"), counted(images, "image"));
    let problem = format!("{labels}, but {images} in {}", images_path.display());
    Err(Error::file(labels_path, problem, "give files of the same images"))
}

/// Refuses labels that were numbered from 1: none is 0, and all from 1 up to the largest are in both halves. Few
/// samples may lack a class by chance, but not this one alone in both.
fn check_first_class(train: &Half, test: &Half) -> Result<()> {
    let present = |labels: &[u8]| {
        let mut present = [false; 256];
        labels.iter().for_each(|&label| present[usize::from(label)] = true);
        present
    };
    let (classes, of_test) = (present(&train.labels), present(&test.labels));
    let largest = classes.iter().rposition(|there| *there).unwrap_or(0);
    let from_one = !classes[0] && classes[1..=largest].iter().all(|there| *there);
    if largest < 2 || !from_one || classes != of_test {
        return Ok(());
    }
    let problem = format!("labels run from 1 to {largest}, and classes are numbered from 0");
    let mend = format!("subtract 1 from each label, here and in {}", test.labels_path.display());
    Err(Error::file(&train.labels_path, problem, mend))
}

/// Joins two halves into a data set, or says what does not fit.
pub(super) fn pair(
    name: &str,
    train: Half,
    test: Half,
    classes: Option<usize>,
    mend: &str,
) -> Result<DataPair> {
    for half in [&train, &test] {
        check_counts(half.images.count, &half.images_path, half.labels.len(), &half.labels_path)?;
        let known = classes.unwrap_or(256);
        let wrong = half.labels.iter().enumerate().find(|(_, label)| usize::from(**label) >= known);
        if let Some((place, label)) = wrong {
            let problem =
                format!("label {label} at place {place}, but {name} has classes 0 to {}", known - 1);
            return Err(Error::file(&half.labels_path, problem, mend));
        }
    }
    if train.images.shape != test.images.shape {
        let (own, other, path) = (test.images.shape, train.images.shape, train.images_path.display());
        let problem = format!("images of {own}, but of {other} in {path}");
        return Err(Error::file(&test.images_path, problem, "give both halves images of one size"));
    }
    if classes.is_none() {
        check_first_class(&train, &test)?;
    }
    let largest = train.labels.iter().chain(&test.labels).max().copied().unwrap_or(0);
    let classes = classes.unwrap_or(usize::from(largest) + 1);
    let dataset = |half: Half| Dataset {
        name: name.to_string(),
        images: half.images.pixels,
        labels: half.labels,
        shape: half.images.shape,
        classes,
        groups: half.groups,
    };
    Ok(DataPair { train: dataset(train), test: dataset(test) })
}
