//! Batch gather of images with seeded changes on the way.

use super::gather::{ImageShard, SampleIndex};
use crate::Result;
use crate::gpu::{Buffer, Dispatch, Gpu, Grid, Kernel, Tensor, immediates};

immediates! {
    struct Augment {
        u32: batch, steps, step, channels, height, width, first, count, seed, flip, pad, grayscale;
    }
}

/// How images are changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Augmentation {
    /// Mirrors every other image, left to right.
    pub flip: bool,
    /// Pads the image with so many zeros on each side, and cuts an image of the old size out anywhere.
    pub pad: usize,
    /// Replaces three channels by their luma, three times.
    pub grayscale: bool,
}

/// The images that batches are made of, and how their bytes become values.
#[derive(Clone, Copy, Debug)]
pub struct ImageSource<'a> {
    /// The pieces.
    pub shards: &'a [ImageShard],
    /// For each channel a factor and a summand.
    pub scales: &'a Buffer,
    /// C, H and W
    pub size: [usize; 3],
}

/// How the images of a batch are changed, and what chance depends on besides a sample's place in the batch.
#[derive(Clone, Copy, Debug)]
pub struct Changes<'a> {
    /// The changes.
    pub augmentation: Augmentation,
    /// Two numbers: the place in the epoch of the first sample of step 0, and the number of the epoch.
    pub epoch: &'a Buffer,
    /// The experiment's seed.
    pub seed: u32,
}

/// As [`images`](super::gather::images), each image changed on the way.
pub fn images(
    gpu: &Gpu,
    source: ImageSource<'_>,
    changes: Changes<'_>,
    index: &SampleIndex,
    batch_labels: &Buffer,
    samples: &Tensor,
) -> Result<Vec<Dispatch>> {
    let [channels, height, width] = source.size;
    let augmentation = changes.augmentation;
    let into = samples.single_buffer()?;
    source
        .shards
        .iter()
        .map(|shard| {
            let immediates = Augment {
                batch: samples.batch as u32,
                steps: index.steps as u32,
                step: 0,
                channels: channels as u32,
                height: height as u32,
                width: width as u32,
                first: shard.range.start as u32,
                count: shard.range.len as u32,
                seed: changes.seed,
                flip: augmentation.flip.into(),
                pad: augmentation.pad as u32,
                grayscale: augmentation.grayscale.into(),
            };
            gpu.dispatch(
                &Kernel::new("augment", "augment_images"),
                &immediates,
                &[
                    ("index", &index.buffer),
                    ("bytes", &shard.pixels),
                    ("labels", &shard.labels),
                    ("scales", source.scales),
                    ("epoch", changes.epoch),
                    ("batch_labels", batch_labels),
                    ("samples", into),
                ],
                Grid((height * width) as u32, samples.batch as u32, samples.replicas as u32),
            )
        })
        .collect()
}
