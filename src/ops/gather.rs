//! Gathers the batch of a step from images or rows on the device.

use crate::Result;
use crate::gpu::{Buffer, Dispatch, Gpu, Grid, Kernel, RowRange, Tensor, immediates};

/// An empty place in the sample index and in the labels of a batch.
pub const NOTHING: u32 = u32::MAX;

immediates! {
    struct Gather {
        u32: batch, steps, step, width, channel_width, first, count, replica_rows, column, line;
    }
}

/// Which samples make up the batches: `[R, steps, B]` sample numbers.
#[derive(Clone, Debug)]
pub struct SampleIndex {
    /// The numbers.
    pub buffer: Buffer,
    /// How many steps it holds.
    pub steps: usize,
}

/// Images of u8 on the device, cut by samples where they do not fit one binding.
#[derive(Clone, Debug)]
pub struct ImageShard {
    /// Four pixels per element.
    pub pixels: Buffer,
    /// Four labels per element.
    pub labels: Buffer,
    /// Which samples.
    pub range: RowRange,
}

/// `samples[r, b, i] = images[index[r, step, b], i] * factor + summand`, and the labels of the batch.
/// `scales` holds a factor and a summand for each channel of `channel_width` values.
pub fn images(
    gpu: &Gpu,
    shards: &[ImageShard],
    scales: &Buffer,
    channel_width: usize,
    index: &SampleIndex,
    batch_labels: &Buffer,
    samples: &Tensor,
) -> Result<Vec<Dispatch>> {
    let by_four = samples.width.is_multiple_of(4) && channel_width.is_multiple_of(4);
    let (entry, samples_name, lanes) = if by_four {
        ("gather_images", "samples4", channel_width / 4)
    } else {
        ("gather_images_naive", "samples", samples.width)
    };
    let into = samples.single_buffer()?;
    shards
        .iter()
        .map(|shard| {
            let immediates = Gather {
                batch: samples.batch as u32,
                steps: index.steps as u32,
                width: samples.width as u32,
                channel_width: channel_width as u32,
                first: shard.range.start as u32,
                count: shard.range.len as u32,
                line: samples.width as u32,
                ..Default::default()
            };
            gpu.dispatch(
                &Kernel::new("gather", entry),
                &immediates,
                &[
                    ("index", &index.buffer),
                    ("bytes", &shard.pixels),
                    ("labels", &shard.labels),
                    ("scales", scales),
                    ("batch_labels", batch_labels),
                    (samples_name, into),
                ],
                Grid(lanes as u32, samples.batch as u32, samples.replicas as u32),
            )
        })
        .collect()
}

/// `samples[r, b, n] = rows[r, index[r, step, b], n]`, cut as `rows` is, or whole; the labels of the batch
/// become the numbers of its rows. With one replica of rows, all replicas of samples share it.
pub fn rows(
    gpu: &Gpu,
    rows: &Tensor,
    index: &SampleIndex,
    batch_labels: &Buffer,
    samples: &Tensor,
) -> Result<Vec<Dispatch>> {
    let whole = match samples.shards.as_slice() {
        [only] => Some(only),
        _ => {
            rows.expect_cut_as(samples)?;
            None
        }
    };
    rows.shards
        .iter()
        .enumerate()
        .map(|(place, from)| {
            let to = whole.unwrap_or_else(|| &samples.shards[place]);
            let immediates = Gather {
                batch: samples.batch as u32,
                steps: index.steps as u32,
                width: from.range.len as u32,
                channel_width: from.range.len as u32,
                count: rows.batch as u32,
                replica_rows: if rows.replicas == 1 { 0 } else { rows.batch as u32 },
                column: (from.range.start - to.range.start) as u32,
                line: to.range.len as u32,
                ..Default::default()
            };
            gpu.dispatch(
                &Kernel::new("gather", "gather_rows"),
                &immediates,
                &[
                    ("index", &index.buffer),
                    ("rows", &from.buffer),
                    ("batch_labels", batch_labels),
                    ("samples", &to.buffer),
                ],
                Grid(from.range.len as u32, samples.batch as u32, samples.replicas as u32),
            )
        })
        .collect()
}
