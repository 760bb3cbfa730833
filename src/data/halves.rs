//! The two halves of a data set as they were read, and whether they fit each other.

use super::groups::Groups;
use super::idx::Images;
use super::{DataPair, Dataset};
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

/// Refuses files of images and of labels that hold a different number of them.
pub(super) fn check_counts(
    images: usize,
    images_path: &Path,
    labels: usize,
    labels_path: &Path,
) -> Result<()> {
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
