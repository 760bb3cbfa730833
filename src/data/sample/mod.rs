//! Real samples of data sets inside the binary: something to train on without a download.

use super::halves::{Half, pair};
use super::idx::{Origin, parse_images, parse_labels};
use super::{DataPair, Split, cifar10_sample};
use crate::Result;
use std::path::PathBuf;

/// A sample of a data set that is part of the binary. Its classes are balanced and mixed.
#[derive(Debug)]
pub struct Sample {
    /// The name it is loaded by.
    pub name: &'static str,
    /// What it is, in a line, with the terms.
    pub about: &'static str,
    /// Training images, the same number of every class.
    pub train: usize,
    /// Test images, the same number of every class.
    pub test: usize,
    /// Bytes it takes in the binary.
    pub bytes: usize,
    load: fn(mend: &str) -> Result<DataPair>,
}

/// Every sample.
pub const SAMPLES: &[Sample] = &[
    Sample {
        name: NAME,
        about: "a balanced sample of MNIST inside the program (CC BY-SA 3.0)",
        train: TRAIN,
        test: TEST,
        bytes: BYTES,
        load: load_mnist,
    },
    Sample {
        name: cifar10_sample::NAME,
        about: "a balanced sample of CIFAR-10 inside the program (no formal licence; cite the 2009 report)",
        train: cifar10_sample::TRAIN,
        test: cifar10_sample::TEST,
        bytes: cifar10_sample::BYTES,
        load: cifar10_sample::load,
    },
];

/// Has the sample of CIFAR-10, 2.7 MB, in this program, where it is not otherwise.
pub fn include_cifar10() {
    cifar10_sample::include();
}

/// What to do where a sample is damaged, and with it the program.
const MEND: &str = "install fedfunnel again";

/// The sample of this name.
pub fn find(name: &str) -> Option<&'static Sample> {
    SAMPLES.iter().find(|sample| sample.name == name)
}

impl Sample {
    /// Unpacks it.
    pub fn load(&self) -> Result<DataPair> {
        (self.load)(MEND)
    }
}

const NAME: &str = "mnist-sample";
const TRAIN: usize = 6_000;
const TEST: usize = 1_000;
const CLASSES: usize = 10;

const TRAIN_IMAGES: &[u8] = include_bytes!("train-images-idx3-ubyte.gz");
const TRAIN_LABELS: &[u8] = include_bytes!("train-labels-idx1-ubyte.gz");
const TEST_IMAGES: &[u8] = include_bytes!("t10k-images-idx3-ubyte.gz");
const TEST_LABELS: &[u8] = include_bytes!("t10k-labels-idx1-ubyte.gz");

const BYTES: usize = TRAIN_IMAGES.len() + TRAIN_LABELS.len() + TEST_IMAGES.len() + TEST_LABELS.len();

/// Unpacks the sample: 6,000 training and 1,000 test images of 28 x 28, classes balanced and mixed.
fn load_mnist(mend: &str) -> Result<DataPair> {
    let half = |split, images: &[u8], labels: &[u8]| -> Result<Half> {
        let path = PathBuf::from(format!("{NAME}/{split}"));
        // Only a binary damaged on disk gets here with content that does not parse.
        let origin = Origin { path: &path, mend };
        Ok(Half {
            images: parse_images(images, origin)?,
            labels: parse_labels(labels, origin)?,
            groups: None,
            images_path: path.clone(),
            labels_path: path,
        })
    };
    let train = half(Split::Train, TRAIN_IMAGES, TRAIN_LABELS)?;
    let test = half(Split::Test, TEST_IMAGES, TEST_LABELS)?;
    pair(NAME, train, test, Some(CLASSES), mend)
}
