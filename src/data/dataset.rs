//! A data set in memory: images of one size with their labels, in two halves.

use super::text::{counted, grouped};
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
    /// A digest of all images and labels, in their order.
    pub fn digest(&self) -> String {
        let mut digester = Digester::default();
        for half in [&self.train, &self.test] {
            let form = format!("{} {} {}", half.len(), half.shape, half.classes);
            digester = digester.piece(form.as_bytes()).piece(&half.images).piece(&half.labels);
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
        let statistics = sums.into_iter().map(|(sum, squares)| {
            // Mean of the squares less square of the mean, over a common denominator: no cancellation.
            let spread = count as u128 * u128::from(squares) - u128::from(sum).pow(2);
            let scale = 255.0 * count as f64;
            ((sum as f64 / scale) as f32, ((spread as f64).sqrt() / scale) as f32)
        });
        statistics.collect()
    }

    /// The first `count` samples; all of them where there are no more.
    pub fn limit(mut self, count: usize) -> Result<Self> {
        if count == 0 {
            return Err(Error::setting(
                format!("limit of {}", self.name),
                "0 samples asked for",
                "ask for one or more, or leave the limit out",
            ));
        }
        self.labels.truncate(count);
        self.images.truncate(self.labels.len() * self.shape.pixels());
        self.labels.shrink_to_fit();
        self.images.shrink_to_fit();
        Ok(self)
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
    fn the_first_samples() {
        let two = tiny().limit(2).unwrap();
        assert_eq!((two.labels, two.images), (vec![2, 0], (0..12).collect()));
        assert_eq!((two.shape, two.classes, two.name), (tiny().shape, 3, "tiny".into()));
        assert_eq!(tiny().limit(3).unwrap(), tiny());
        assert_eq!(tiny().limit(usize::MAX).unwrap(), tiny());
        let error = tiny().limit(0).unwrap_err();
        assert!(error.is_usage());
        assert_eq!(
            error.to_string(),
            "limit of tiny: 0 samples asked for; ask for one or more, or leave the limit out"
        );
    }

    #[test]
    fn statistics_of_each_channel() {
        let shape = ImageShape { channels: 3, height: 2, width: 5 };
        let images: Vec<u8> = (0..7 * 30u32).map(|i| (i * i * 37 % 251 + i % 5) as u8).collect();
        let dataset = Dataset { images, labels: vec![0; 7], shape, ..tiny() };
        let statistics = dataset.channel_statistics();
        assert_eq!(statistics.len(), 3);
        for (channel, (mean, std)) in statistics.into_iter().enumerate() {
            let values = || {
                let of_channel = |place: usize| place / 10 % 3 == channel;
                let values = dataset.images.iter().enumerate();
                values.filter(move |(place, _)| of_channel(*place)).map(|(_, &v)| f64::from(v) / 255.0)
            };
            let direct = values().sum::<f64>() / 70.0;
            let deviation = (values().map(|v| (v - direct).powi(2)).sum::<f64>() / 70.0).sqrt();
            assert!((f64::from(mean) - direct).abs() < 1e-7, "{mean} {direct}");
            assert!((f64::from(std) - deviation).abs() < 1e-7, "{std} {deviation}");
            // What a mix-up of the channels would give.
            let others = (f64::from(mean) - values().take(10).sum::<f64>() / 10.0).abs();
            assert!(others > 1e-4);
        }
        let flat = Dataset { images: vec![255; 18], ..tiny() };
        assert_eq!(flat.channel_statistics(), [(1.0, 0.0)]);
        let empty = tiny().subset(&[]).unwrap();
        assert_eq!(empty.channel_statistics(), [(0.0, 0.0)]);
    }
}
