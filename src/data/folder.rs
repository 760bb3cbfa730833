//! Reads a data set out of a folder with four IDX files, or with CIFAR-10's six batches.

use super::cifar10::{self, Place};
use super::idx::{Images, Origin, read_images, read_labels};
use super::source::{self, Format, Source};
use super::text::counted;
use super::{DataPair, Dataset, Split};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// One half of a data set as read, with the files' names for the messages.
pub(super) struct Half {
    pub images: Images,
    pub labels: Vec<u8>,
    pub images_path: PathBuf,
    pub labels_path: PathBuf,
}

/// What to do with a damaged file of the user's own.
pub(super) const OWN_MEND: &str = "replace it with an undamaged copy";

/// Reads a data set of the table from its folder.
pub(super) fn load_source(source: &Source, folder: &Path) -> Result<DataPair> {
    let fetch = format!("fedfunnel data fetch {}", source.name);
    let mend = format!("download it again with {fetch}");
    let place = match source.format {
        Format::Idx => None,
        Format::Cifar10 => cifar10::locate(folder),
    };
    if let Some(archive @ Place::Archive(_)) = &place {
        return cifar10::load(source.name, archive, Some(cifar10::BATCH), &mend);
    }
    let place = place.unwrap_or_else(|| Place::Loose(folder.into()));
    let folder = place.path();
    let missing: Vec<_> = source.files.iter().filter(|file| find(folder, file.name).is_none()).collect();
    if missing.len() == source.files.len() {
        return Err(Error::file(
            folder,
            format!("{} is not there yet", source.name),
            format!("run `{fetch}`, or use `--data {}`", source.sample),
        ));
    }
    if let Some(file) = missing.first() {
        return Err(Error::file(folder, format!("{} is missing", file.name), format!("run `{fetch}`")));
    }
    match source.format {
        Format::Idx => read_idx_folder(source.name, folder, Some(source.classes), &mend),
        Format::Cifar10 => cifar10::load(source.name, &place, Some(cifar10::BATCH), &mend),
    }
}

/// Reads the user's own folder. Of IDX files, the largest label tells the number of classes; where
/// batches of CIFAR-10 lie beside them, the IDX files are read.
pub(super) fn load_folder(name: &str, folder: &Path) -> Result<DataPair> {
    let has_idx = [Split::Train, Split::Test]
        .iter()
        .any(|&split| ["images", "labels"].iter().any(|part| find_part(folder, split, part).is_ok()));
    if has_idx {
        return read_idx_folder(name, folder, None, OWN_MEND);
    }
    if let Some(place) = cifar10::locate(folder) {
        return cifar10::load(name, &place, None, OWN_MEND);
    }
    if cifar10::is_python_version(folder) {
        return Err(Error::file(
            folder,
            "it holds the Python version of CIFAR-10",
            format!("use the binary version, as `fedfunnel data fetch {}` brings it", cifar10::NAME),
        ));
    }
    Err(Error::file(folder, "it holds no images that can be read", format!("give {}", source::PATHS)))
}

fn read_idx_folder(name: &str, folder: &Path, classes: Option<usize>, mend: &str) -> Result<DataPair> {
    let half = |split| -> Result<Half> {
        let images_path = find_part(folder, split, "images")?;
        let labels_path = find_part(folder, split, "labels")?;
        Ok(Half {
            images: read_images(Origin { path: &images_path, mend })?,
            labels: read_labels(Origin { path: &labels_path, mend })?,
            images_path,
            labels_path,
        })
    };
    pair(name, half(Split::Train)?, half(Split::Test)?, classes, mend)
}

/// The file of this name in a folder, plain or with `.gz`; the plain one where there are both.
pub(super) fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    [folder.join(name), folder.join(format!("{name}.gz"))].into_iter().find(|path| path.is_file())
}

/// The file with the images or the labels of a split, under any of the names in use.
fn find_part(folder: &Path, split: Split, part: &str) -> Result<PathBuf> {
    let (prefixes, axes): (&[&str], &[u8]) = match (split, part) {
        (Split::Train, "images") => (&["train"], &[3, 4]),
        (Split::Train, _) => (&["train"], &[1]),
        (Split::Test, "images") => (&["t10k", "test"], &[3, 4]),
        (Split::Test, _) => (&["t10k", "test"], &[1]),
    };
    let names = prefixes.iter().flat_map(|prefix| {
        axes.iter().flat_map(move |axes| {
            // Some archives were unpacked by a program that wrote a dot for the first hyphen.
            ['-', '.'].map(|separator| format!("{prefix}-{part}{separator}idx{axes}-ubyte"))
        })
    });
    names.clone().find_map(|name| find(folder, &name)).ok_or_else(|| {
        let first = names.clone().next().unwrap_or_default();
        Error::file(
            folder,
            format!("the {split} {part} are not there"),
            format!("put them there as {first} or {first}.gz"),
        )
    })
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
        if half.images.count != half.labels.len() {
            return Err(Error::file(
                &half.labels_path,
                format!(
                    "{}, but {} in {}",
                    counted(half.labels.len(), "label"),
                    counted(half.images.count, "image"),
                    half.images_path.display()
                ),
                mend,
            ));
        }
        if let Some((place, label)) = wrong_label(&half.labels, classes) {
            return Err(Error::file(
                &half.labels_path,
                format!(
                    "label {label} at place {place}, but {name} has classes 0 to {}",
                    classes.unwrap_or(1) - 1
                ),
                mend,
            ));
        }
    }
    if train.images.shape != test.images.shape {
        return Err(Error::file(
            &test.images_path,
            format!(
                "images of {}, but of {} in {}",
                test.images.shape,
                train.images.shape,
                train.images_path.display()
            ),
            mend,
        ));
    }
    let largest = train.labels.iter().chain(&test.labels).max().copied().unwrap_or(0);
    let classes = classes.unwrap_or(usize::from(largest) + 1);
    let dataset = |half: Half| Dataset {
        name: name.to_string(),
        images: half.images.pixels,
        labels: half.labels,
        shape: half.images.shape,
        classes,
    };
    Ok(DataPair { train: dataset(train), test: dataset(test) })
}

fn wrong_label(labels: &[u8], classes: Option<usize>) -> Option<(usize, u8)> {
    let classes = classes?;
    labels.iter().copied().enumerate().find(|&(_, label)| usize::from(label) >= classes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idx(axes: &[u32], payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, axes.len() as u8];
        axes.iter().for_each(|length| bytes.extend(length.to_be_bytes()));
        bytes.extend(payload);
        bytes
    }

    /// A folder with two training images and one test image of 1 x 2.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: Vec<u8>| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("train-images-idx3-ubyte", idx(&[2, 1, 2], &[1, 2, 3, 4]));
        write("train-labels.idx1-ubyte", idx(&[2], &[0, 4]));
        write("test-images-idx3-ubyte", idx(&[1, 1, 2], &[5, 6]));
        write("t10k-labels-idx1-ubyte", idx(&[1], &[2]));
        folder
    }

    fn error_with(name: &str, bytes: Vec<u8>) -> String {
        let folder = folder();
        std::fs::write(folder.path().join(name), bytes).unwrap();
        load_folder("own", folder.path()).unwrap_err().to_string()
    }

    #[test]
    fn a_folder_of_ones_own() {
        let data = load_folder("own", folder().path()).unwrap();
        assert_eq!((data.train.len(), data.test.len(), data.train.classes, data.test.classes), (2, 1, 5, 5));
        assert_eq!((data.train.images, data.test.images), (vec![1, 2, 3, 4], vec![5, 6]));
        assert_eq!(data.train.name, "own");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let error = error_with("t10k-labels-idx1-ubyte", idx(&[2], &[2, 2]));
        assert!(error.contains("t10k-labels-idx1-ubyte: 2 labels, but 1 image in "), "{error}");
        let error = error_with("test-images-idx3-ubyte", idx(&[1, 2, 1], &[5, 6]));
        assert!(error.contains("images of 1x2x1, but of 1x1x2 in "), "{error}");
        let empty = tempfile::tempdir().unwrap();
        let error = load_folder("own", empty.path()).unwrap_err().to_string();
        assert!(
            error.contains("no images that can be read; give a folder with the four IDX files"),
            "{error}"
        );
        let folder = folder();
        std::fs::remove_file(folder.path().join("train-labels.idx1-ubyte")).unwrap();
        let error = load_folder("own", folder.path()).unwrap_err().to_string();
        assert!(error.contains("the train labels are not there; put them there as train-labels-idx1-ubyte"));
    }

    #[test]
    fn a_folder_of_colour_images() {
        let folder = folder();
        let write = |name: &str, bytes: Vec<u8>| std::fs::write(folder.path().join(name), bytes).unwrap();
        for (split, count) in [("train", 2), ("test", 1)] {
            std::fs::remove_file(folder.path().join(format!("{split}-images-idx3-ubyte"))).unwrap();
            // Three channels of 2 x 4, channels last in the training files and first in the test files.
            let axes = if split == "train" { [count, 2, 4, 3] } else { [count, 3, 2, 4] };
            let pixels: Vec<u8> = (0..count as u8 * 24).collect();
            write(&format!("{split}-images-idx4-ubyte"), idx(&axes, &pixels));
        }
        let data = load_folder("own", folder.path()).unwrap();
        assert_eq!(data.train.shape, super::super::ImageShape { channels: 3, height: 2, width: 4 });
        assert_eq!((data.train.shape, data.train.classes), (data.test.shape, 5));
        // The red values of the second image, then the first of its green ones.
        assert_eq!(data.train.image(1).unwrap()[..9], [24, 27, 30, 33, 36, 39, 42, 45, 25]);
        assert_eq!(data.test.images, (0..24).collect::<Vec<u8>>());
        assert_eq!((data.train.class_counts(), data.test.labels), (vec![1, 0, 0, 0, 1], vec![2]));
    }

    #[test]
    fn a_label_past_the_classes_is_an_error_for_a_known_set() {
        let error = read_idx_folder("mnist", folder().path(), Some(4), "fetch").unwrap_err().to_string();
        assert!(error.ends_with("label 4 at place 1, but mnist has classes 0 to 3; fetch"), "{error}");
    }

    #[test]
    fn a_known_set_with_a_file_missing() {
        let mnist = super::super::source::find("mnist").unwrap();
        let folder = folder();
        let error = load_source(mnist, folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("train-labels-idx1-ubyte is missing; run `fedfunnel data fetch mnist`"),
            "{error}"
        );
    }
}
