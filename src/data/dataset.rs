//! A data set in memory: images of one size with their labels, in two halves.

use super::groups::Groups;
use crate::digest::Digester;
use crate::{Error, Result};

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
    /// The group of every image, where the data name any: who wrote a digit, say.
    pub groups: Option<Groups>,
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
    /// A digest of all images, labels and groups, in their order.
    pub fn digest(&self) -> String {
        let mut digester = Digester::default();
        for half in [&self.train, &self.test] {
            let form = format!("{} {} {}", half.len(), half.shape, half.classes);
            digester = digester.piece(form.as_bytes()).piece(&half.images).piece(&half.labels);
            for (sample, group) in half.groups.iter().flat_map(Groups::each).enumerate() {
                digester = digester.piece(format!("group of {sample}: {group}").as_bytes());
            }
        }
        digester.hexadecimal()
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

    /// Mean and standard deviation of each channel, of values from 0 to 1 (byte / 255): what per-channel
    /// standardisation subtracts and divides by. The deviation of a channel that never changes is 0, and
    /// so are both where there is not one sample.
    pub fn channel_statistics(&self) -> Vec<(f32, f32)> {
        let mut sums = vec![(0u64, 0u64); self.shape.channels];
        let plane = self.shape.height * self.shape.width;
        // Sums of whole numbers are exact in any order.
        for (place, values) in self.images.chunks_exact(plane.max(1)).enumerate() {
            let (sum, squares) = &mut sums[place % self.shape.channels];
            *sum += values.iter().map(|&value| u64::from(value)).sum::<u64>();
            *squares += values.iter().map(|&value| u64::from(value).pow(2)).sum::<u64>();
        }
        let count = (self.len() * plane).max(1);
        let scale = 255.0 * count as f64;
        let statistics = sums.into_iter().map(|(sum, squares)| {
            // Mean of the squares less square of the mean, over a common denominator: no cancellation.
            let spread = count as u128 * u128::from(squares) - u128::from(sum).pow(2);
            ((sum as f64 / scale) as f32, ((spread as f64).sqrt() / scale) as f32)
        });
        statistics.collect()
    }

    /// The mean of all values of each image, from 0 to 255.
    pub fn brightness(&self) -> impl Iterator<Item = f64> {
        let pixels = self.shape.pixels().max(1);
        // Sums of whole numbers are exact in any order.
        let sum = |image: &[u8]| image.iter().map(|&value| u64::from(value)).sum::<u64>();
        self.images.chunks_exact(pixels).map(move |image| sum(image) as f64 / pixels as f64)
    }

    /// The first `count` samples; all of them where there are no more.
    pub fn limit(mut self, count: usize) -> Result<Self> {
        if count == 0 {
            let mend = "ask for one or more, or leave the limit out";
            return Err(Error::setting(format!("limit of {}", self.name), "0 samples asked for", mend));
        }
        self.labels.truncate(count);
        self.images.truncate(self.labels.len() * self.shape.pixels());
        if let Some(groups) = &mut self.groups {
            groups.of.truncate(self.labels.len());
        }
        self.labels.shrink_to_fit();
        self.images.shrink_to_fit();
        Ok(self)
    }
}
