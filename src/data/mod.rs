//! Image data sets: readers, the embedded sample, downloads, partitioners.
//!
//! [`load`] gives the train and the test split of a data set as plain bytes, ready to be made resident
//! on the device; [`partition()`] deals the samples out to collaborators, and [`epoch_order`] says in which
//! order one of them sees its own. [`fetch()`] downloads, [`list()`] says what is there.

mod archive;
pub mod fetch;
mod folder;
pub mod idx;
mod order;
mod partition;
pub mod sample;
pub mod source;
mod store;
mod text;

pub use fetch::{FetchEvent, FetchReport, fetch};
pub use order::{derive_seed, epoch_order};
pub use partition::{Partitioner, partition};
pub use store::{DataDir, DatasetStatus, Presence, list};

use crate::{Error, Result};
use std::path::Path;
use text::{counted, grouped};

/// Images of one size with a label each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dataset {
    /// What messages call it: `mnist`, or the folder it was read from.
    pub name: String,
    /// The pixels, `[n, C, H, W]`, 0 to 255.
    pub images: Vec<u8>,
    /// The class of every image, below [`Dataset::classes`].
    pub labels: Vec<u8>,
    /// The size of every image.
    pub shape: ImageShape,
    /// How many classes there are.
    pub classes: usize,
}

/// The size of one image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ImageShape {
    /// Colour channels: 1 for grey, 3 for red, green and blue.
    pub channels: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
}

impl ImageShape {
    /// Numbers per image: `C * H * W`, the inputs of a dense first layer.
    pub fn pixels(&self) -> usize {
        self.channels * self.height * self.width
    }
}

impl std::fmt::Display for ImageShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}x{}", self.channels, self.height, self.width)
    }
}

/// Which half of a data set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Split {
    /// The samples to learn from.
    Train,
    /// The samples to measure accuracy on.
    Test,
}

impl std::fmt::Display for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Test => "test",
        })
    }
}

/// Both halves of a data set; the same shape and the same classes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DataPair {
    /// The samples to learn from.
    pub train: Dataset,
    /// The samples to measure accuracy on.
    pub test: Dataset,
}

impl DataPair {
    /// One half.
    pub fn split(&self, split: Split) -> &Dataset {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        }
    }
}

impl Dataset {
    /// Samples in it.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// True where there is not one sample.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The pixels of one image, `[C, H, W]`; `None` past the end.
    pub fn image(&self, index: usize) -> Option<&[u8]> {
        let pixels = self.shape.pixels();
        let start = index.checked_mul(pixels)?;
        self.images.get(start..start.checked_add(pixels)?)
    }

    /// How many samples each class has.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        for &label in &self.labels {
            // A label past the classes cannot come out of `load`; counting it nowhere beats a panic.
            if let Some(count) = counts.get_mut(usize::from(label)) {
                *count += 1;
            }
        }
        counts
    }

    /// The samples at these indices, in this order; an index may come twice.
    pub fn subset(&self, indices: &[usize]) -> Result<Self> {
        let mut images = Vec::with_capacity(indices.len() * self.shape.pixels());
        let mut labels = Vec::with_capacity(indices.len());
        for &index in indices {
            let (Some(image), Some(&label)) = (self.image(index), self.labels.get(index)) else {
                return Err(Error::setting(
                    format!("subset of {}", self.name),
                    format!(
                        "sample {} asked for, {} there",
                        grouped(index as u64),
                        counted(self.len(), "sample")
                    ),
                    format!("choose indices from 0 to {}", grouped(self.len().saturating_sub(1) as u64)),
                ));
            };
            images.extend_from_slice(image);
            labels.push(label);
        }
        Ok(Self { name: self.name.clone(), images, labels, shape: self.shape, classes: self.classes })
    }
}

/// Loads a data set by name (`mnist`, `mnist-sample`) or from a folder with the four IDX files.
///
/// A known name wins over a folder of the same name; `./mnist` always means the folder.
pub fn load(name: &str, data_dir: &DataDir) -> Result<DataPair> {
    if name == sample::NAME {
        return sample::load();
    }
    if let Some(source) = source::find(name) {
        return folder::load_source(source, &data_dir.folder(name));
    }
    let path = Path::new(name);
    if path.is_dir() {
        return folder::load_folder(name, path);
    }
    if path.exists() {
        return Err(Error::setting(
            format!("data \"{name}\""),
            "it is a file",
            "give the folder that holds the four IDX files",
        ));
    }
    let looks_like_a_path = name.contains(['/', '\\']) || name.starts_with('.') || name.starts_with('~');
    if looks_like_a_path {
        return Err(Error::setting(
            format!("data \"{name}\""),
            "there is no such folder",
            format!(
                "give the folder that holds the four IDX files, or one of {}",
                source::known_names().join(", ")
            ),
        ));
    }
    Err(source::unknown_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiny() -> Dataset {
        Dataset {
            name: "tiny".into(),
            images: (0..18).collect(),
            labels: vec![2, 0, 1],
            shape: ImageShape { channels: 1, height: 2, width: 3 },
            classes: 3,
        }
    }

    #[test]
    fn a_subset_keeps_the_order_asked_for() {
        let subset = tiny().subset(&[2, 0]).unwrap();
        assert_eq!(subset.labels, [1, 2]);
        assert_eq!(subset.images, [12, 13, 14, 15, 16, 17, 0, 1, 2, 3, 4, 5]);
        assert_eq!((subset.len(), subset.is_empty()), (2, false));
        assert!(tiny().subset(&[]).unwrap().is_empty());
    }

    #[test]
    fn a_subset_past_the_end_is_an_error() {
        let message = tiny().subset(&[0, 3]).unwrap_err().to_string();
        assert_eq!(
            message,
            "subset of tiny: sample 3 asked for, 3 samples there; choose indices from 0 to 2"
        );
        assert!(tiny().subset(&[usize::MAX]).is_err());
    }

    #[test]
    fn an_unknown_name_gets_the_nearest_known_one() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = DataDir::new(folder.path());
        let error = load("mnits", &data_dir).unwrap_err();
        assert!(error.is_usage());
        assert!(error.to_string().contains("did you mean \"mnist\"?"), "{error}");
        let error = load("./no/such/folder", &data_dir).unwrap_err().to_string();
        assert!(error.contains("there is no such folder"), "{error}");
    }

    #[test]
    fn mnist_that_is_not_there_says_how_to_get_it() {
        let folder = tempfile::tempdir().unwrap();
        let error = load("mnist", &DataDir::new(folder.path())).unwrap_err().to_string();
        for part in [&*folder.path().to_string_lossy(), "fedfunnel data fetch mnist", "--data mnist-sample"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
