//! Real samples of data sets inside the binary: something to train on without a download.

use super::folder::{Half, pair};
use super::idx::{Origin, parse_images, parse_labels};
use super::{DataPair, Split, cifar10_sample};
use crate::Result;
use std::path::Path;

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
        let path = match split {
            Split::Train => "mnist-sample/train",
            Split::Test => "mnist-sample/test",
        };
        // Only a binary damaged on disk gets here with content that does not parse.
        let origin = Origin { path: Path::new(path), mend };
        Ok(Half {
            images: parse_images(images, origin)?,
            labels: parse_labels(labels, origin)?,
            images_path: origin.path.into(),
            labels_path: origin.path.into(),
        })
    };
    pair(
        NAME,
        half(Split::Train, TRAIN_IMAGES, TRAIN_LABELS)?,
        half(Split::Test, TEST_IMAGES, TEST_LABELS)?,
        Some(CLASSES),
        mend,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::ImageShape;

    #[test]
    fn it_is_balanced_mixed_and_small() {
        let data = load_mnist(MEND).unwrap();
        let shape = ImageShape { channels: 1, height: 28, width: 28 };
        assert_eq!((data.train.shape, data.test.shape), (shape, shape));
        assert_eq!((data.train.len(), data.test.len()), (TRAIN, TEST));
        assert_eq!(data.train.images.len(), TRAIN * 784);
        assert_eq!(data.train.class_counts(), [600; 10]);
        assert_eq!(data.test.class_counts(), [100; 10]);
        for (dataset, split) in [(&data.train, "train"), (&data.test, "test")] {
            // Random order has a change of class at nine places out of ten; sorted order at nine in all.
            let changes = dataset.labels.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert!(changes > dataset.len() * 8 / 10, "{split}: {changes} changes");
        }
        const { assert!(BYTES < 2_000_000) };
    }

    #[test]
    fn its_images_are_digits() {
        let data = load_mnist(MEND).unwrap();
        // Known of MNIST: mean brightness 33.3 of 255 and about 81 % of the pixels black.
        let mean =
            data.train.images.iter().map(|&p| f64::from(p)).sum::<f64>() / data.train.images.len() as f64;
        assert!((32.0..35.0).contains(&mean), "{mean}");
        // Nearest class mean: labels that fit their images get about 80 %, shuffled ones 10 %.
        let mut means = vec![[0f64; 784]; 10];
        for (image, &label) in data.train.images.chunks_exact(784).zip(&data.train.labels) {
            for (sum, &pixel) in means[usize::from(label)].iter_mut().zip(image) {
                *sum += f64::from(pixel) / 600.0;
            }
        }
        let distance = |image: &[u8], mean: &[f64; 784]| -> f64 {
            image.iter().zip(mean).map(|(&pixel, mean)| (f64::from(pixel) - mean).powi(2)).sum()
        };
        let right = data
            .test
            .images
            .chunks_exact(784)
            .zip(&data.test.labels)
            .filter(|(image, label)| {
                let nearest = (0..10u8).min_by(|&a, &b| {
                    distance(image, &means[usize::from(a)])
                        .total_cmp(&distance(image, &means[usize::from(b)]))
                });
                nearest == Some(**label)
            })
            .count();
        assert!(right > 750, "{right} of 1,000");
    }
}
