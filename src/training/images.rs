//! A data set on the device, as the bytes it came as.

use crate::data::Dataset;
use crate::gpu::{Buffer, Dispatch, Gpu, Tensor, split_rows};
use crate::ops::augment::{self, Augmentation, Changes, ImageSource};
use crate::ops::gather::{self, ImageShard, SampleIndex};
use crate::{Error, Result};

/// Images and labels on the device, cut by samples where they do not fit one binding.
#[derive(Clone, Debug)]
pub struct ResidentImages {
    /// The pieces.
    pub shards: Vec<ImageShard>,
    /// For each channel, factor and summand from byte to input.
    scales: Buffer,
    /// C, H and W
    size: [usize; 3],
    /// How an image is changed on its way into a batch, and the seed of that.
    changes: Option<(Augmentation, u32)>,
    /// Values of one image.
    pub width: usize,
    /// How many images.
    pub len: usize,
}

impl ResidentImages {
    /// Uploads a data set whose values become 0 to 1.
    pub fn upload(gpu: &Gpu, dataset: &Dataset) -> Result<Self> {
        Self::upload_standardized(gpu, dataset, &vec![(0.0, 1.0); dataset.shape.channels])
    }

    /// Uploads a data set from whose values, 0 to 1, each channel's mean is subtracted and which are then
    /// divided by its standard deviation.
    pub fn upload_standardized(gpu: &Gpu, dataset: &Dataset, statistics: &[(f32, f32)]) -> Result<Self> {
        let width = dataset.shape.pixels();
        let ranges =
            split_rows(dataset.len(), width as u64, gpu.max_binding_bytes() - 16).ok_or_else(|| {
                Error::device(
                    format!("one image of {} is larger than one binding of the device", dataset.name),
                    "use a larger --max-binding-bytes",
                )
            })?;
        let shards = ranges
            .into_iter()
            .map(|range| {
                let samples = range.start..range.start + range.len;
                let pixels = &dataset.images[samples.start * width..samples.end * width];
                Ok(ImageShard {
                    pixels: gpu.upload("images", pixels)?,
                    labels: gpu.upload("labels", &dataset.labels[samples])?,
                    range,
                })
            })
            .collect::<Result<_>>()?;
        if statistics.len() != dataset.shape.channels {
            let problem = format!("{} statistics for {} images", statistics.len(), dataset.shape);
            return Err(Error::setting("--data", problem, "choose data like those of the training"));
        }
        let scales: Vec<_> = statistics
            .iter()
            // A channel that never changes has no deviation; any will do.
            .map(|&(mean, deviation)| (mean, if deviation > 0.0 { deviation } else { 1.0 }))
            .map(|(mean, deviation)| [1.0 / (255.0 * deviation), -mean / deviation])
            .collect();
        Ok(Self {
            shards,
            scales: gpu.upload("scales", &scales)?,
            size: [dataset.shape.channels, dataset.shape.height, dataset.shape.width],
            changes: None,
            width,
            len: dataset.len(),
        })
    }

    /// Whether they are changed on their way into a batch, otherwise in each epoch.
    pub fn is_changed(&self) -> bool {
        self.changes.is_some_and(|(changes, _)| changes.flip || changes.pad > 0)
    }

    /// The same images, changed on their way into a batch.
    pub fn with_changes(mut self, augmentation: Augmentation, seed: u32) -> Result<Self> {
        if augmentation.grayscale && self.size[0] != 3 {
            let [channels, height, width] = self.size;
            let problem = format!("{channels}x{height}x{width} images have no colours to take out");
            return Err(Error::setting("grayscale", problem, "leave it out, or choose data with 3 channels"));
        }
        self.changes = (augmentation != Augmentation::default()).then_some((augmentation, seed));
        Ok(self)
    }

    /// The images with their scales and the pixels of a channel, where they lie in one piece and chance changes
    /// nothing.
    pub(super) fn single_unchanged(&self) -> Option<(&ImageShard, &Buffer, usize)> {
        let [_, height, width] = self.size;
        match self.shards.as_slice() {
            [only] if self.changes.is_none() => Some((only, &self.scales, height * width)),
            _ => None,
        }
    }

    /// The dispatches that make a batch. `epoch` holds the place of its first sample in the epoch, and the
    /// number of the epoch: what chance depends on.
    pub(crate) fn gather(
        &self,
        gpu: &Gpu,
        index: &SampleIndex,
        epoch: &Buffer,
        labels: &Buffer,
        samples: &Tensor,
    ) -> Result<Vec<Dispatch>> {
        let Some((augmentation, seed)) = self.changes else {
            let [_, height, width] = self.size;
            return gather::images(gpu, &self.shards, &self.scales, height * width, index, labels, samples);
        };
        let source = ImageSource { shards: &self.shards, scales: &self.scales, size: self.size };
        let changes = Changes { augmentation, epoch, seed };
        augment::images(gpu, source, changes, index, labels, samples)
    }
}
