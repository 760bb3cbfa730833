//! A data set on the device, as the bytes it came as.

use crate::data::Dataset;
use crate::gpu::{Buffer, Gpu, split_rows};
use crate::ops::gather::ImageShard;
use crate::{Error, Result};

/// Images and labels on the device, cut by samples where they do not fit one binding.
#[derive(Clone, Debug)]
pub struct ResidentImages {
    /// The pieces.
    pub shards: Vec<ImageShard>,
    /// For each channel, factor and summand from byte to input: here 1/255 and 0.
    pub scales: Buffer,
    /// Values of one channel of one image.
    pub channel_width: usize,
    /// Values of one image.
    pub width: usize,
    /// How many images.
    pub len: usize,
}

impl ResidentImages {
    /// Uploads a data set.
    pub fn upload(gpu: &Gpu, dataset: &Dataset) -> Result<Self> {
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
        let scales = vec![[1.0f32 / 255.0, 0.0]; dataset.shape.channels];
        Ok(Self {
            shards,
            scales: gpu.upload("scales", &scales)?,
            channel_width: width / dataset.shape.channels,
            width,
            len: dataset.len(),
        })
    }
}
