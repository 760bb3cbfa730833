//! The convolution that most networks are made of, for GPUs; see shaders/conv3x3_tiles.wgsl.

use super::layer::{GradientPass, ROUNDS};
use super::shape::ConvShape;
use crate::Result;
use crate::gpu::{DeviceClass, Dispatch, Gpu, Grid, Kernel, Tensor, immediates};
use crate::ops::elementwise::STREAM_LANES;

immediates! {
    struct Gradient3x3Tiles {
        u32: batch, input_height, input_width, padding, height, width, inputs, outputs, replica_stride,
             chunk_stride, chunks, chunk_strips, biases;
    }
}

immediates! {
    struct GradientChunks {
        u32: count, chunk_stride, chunks, gradient_stride;
    }
}

/// Lanes of a workgroup.
const LANES: usize = 64;

/// Pixels that a product's workgroup computes, in one sample or several.
const TILE_PIXELS: usize = 4 * LANES;

/// Channels that a product's workgroup stages at a time, and that it writes.
const CHANNELS: usize = 4;
const TO_CHANNELS: usize = 8;

/// Channels of either side that a weight gradient's workgroup takes.
const SIDE: usize = 16;

/// Workgroups that keep a GPU busy.
const WORKGROUPS: usize = 512;

/// A variant of the product: its kernel, and the pixels of a side of its tiles.
struct Tile {
    kernel: Kernel,
    side: usize,
}

macro_rules! tile {
    ($side:literal) => {
        Tile {
            kernel: Kernel::new("conv3x3_tiles", "conv3x3_tiles_product").tiled(&[("TILE", $side)]),
            side: $side,
        }
    };
}

/// For large images and for small ones. The smaller a tile, the larger its halo beside it.
const TILES: [Tile; 3] = [tile!(16), tile!(8), tile!(4)];

/// A variant of the weight gradient: its kernel, and the rows and columns of its strips.
struct Strip {
    kernel: Kernel,
    size: [usize; 2],
}

macro_rules! strip {
    ($rows:literal, $fours:literal) => {
        Strip {
            kernel: Kernel::new("conv3x3_tiles", "conv3x3_tiles_weight_gradient")
                .tiled(&[("STRIP_ROWS", $rows), ("STRIP_FOURS", $fours)]),
            size: [$rows, 4 * $fours],
        }
    };
}

/// For wide images and for narrow ones.
const STRIPS: [Strip; 2] = [strip!(4, 4), strip!(8, 2)];

/// Every variant there is, for the tests.
pub const ALL: [Kernel; 5] =
    [TILES[0].kernel, TILES[1].kernel, TILES[2].kernel, STRIPS[0].kernel, STRIPS[1].kernel];

/// The variants of the product and the weight gradient that give, or take, images of this size in batches of `batch`.
pub fn variants(image: [usize; 2], batch: usize) -> [Kernel; 2] {
    [Tile::of(image, batch).kernel, Strip::of(image).kernel]
}

/// How many pieces of `size` an image takes.
fn pieces(image: [usize; 2], size: [usize; 2]) -> usize {
    image[0].div_ceil(size[0]) * image[1].div_ceil(size[1])
}

impl Tile {
    /// The one that computes and stages the fewest pixels, within the image and beyond it.
    fn of(image: [usize; 2], batch: usize) -> &'static Self {
        let cost =
            |tile: &&Self| pieces(image, [tile.side; 2]) * tile.parts(batch) * (TILE_PIXELS + tile.staged());
        TILES.iter().min_by_key(cost).unwrap_or(&TILES[0])
    }

    /// Samples of a workgroup.
    fn samples(&self) -> usize {
        TILE_PIXELS / (self.side * self.side)
    }

    /// Workgroups that share a batch.
    fn parts(&self, batch: usize) -> usize {
        batch.div_ceil(self.samples())
    }

    /// Pixels of a channel that a workgroup stages: its own with their halo.
    fn staged(&self) -> usize {
        self.samples() * (self.side + 2) * (self.side + 2)
    }

    /// Rounds of a lane's loops.
    fn rounds(&self, channels: usize) -> usize {
        let staging = self.staged().div_ceil(LANES) + (CHANNELS * 18).div_ceil(LANES);
        channels.div_ceil(CHANNELS) * (staging + CHANNELS + 1)
    }
}

impl Strip {
    /// The one of which an image takes the fewest.
    fn of(image: [usize; 2]) -> &'static Self {
        STRIPS.iter().min_by_key(|strip| pieces(image, strip.size)).unwrap_or(&STRIPS[0])
    }

    /// Rounds of a lane's loops for each strip.
    fn rounds(&self) -> usize {
        let [rows, fours] = [self.size[0], self.size[1] / 4];
        let staged =
            (SIDE * (rows + 2) * (fours + 1)).div_ceil(LANES) + (SIDE * rows * fours).div_ceil(LANES);
        staged + rows * (fours + 1) + 1
    }
}

/// Whether a product, `upwards` or not, of this 3x3 convolution is for this adapter.
pub(super) fn fits(gpu: &Gpu, shape: &ConvShape, upwards: bool, batch: usize) -> bool {
    let (size, channels) =
        if upwards { (shape.input_size, shape.outputs) } else { (shape.output_size, shape.inputs) };
    let tile = Tile::of(size, batch);
    gpu.class() == DeviceClass::Gpu
        && tile.rounds(channels) <= ROUNDS
        && pieces(size, [tile.side; 2]) <= gpu.max_workgroups() as usize
}

/// The kernel of a product that gives `channels` channels of images of this size, for the batch `from`.
pub(super) fn product(size: [usize; 2], channels: u32, from: &Tensor) -> (Kernel, Grid) {
    let tile = Tile::of(size, from.batch);
    let lanes = pieces(size, [tile.side; 2]) * LANES;
    let groups = from.replicas * tile.parts(from.batch);
    (tile.kernel, Grid(lanes as u32, channels.div_ceil(TO_CHANNELS as u32), groups as u32))
}

/// How a weight gradient is shared out: strips of an image, strips of a chunk, and chunks of a replica.
pub(super) struct Chunks {
    strip: &'static Strip,
    each: usize,
    count: usize,
}

impl Chunks {
    /// As many chunks as a GPU wants and memory has room for; `None` where a lane's loops would be too long even so.
    pub fn new(gpu: &Gpu, shape: &ConvShape, [replicas, batch]: [usize; 2]) -> Option<Self> {
        if gpu.class() != DeviceClass::Gpu {
            return None;
        }
        let strip = Strip::of(shape.output_size);
        let strips = batch * pieces(shape.output_size, strip.size);
        let workgroups = replicas * shape.inputs.div_ceil(SIDE) * shape.outputs.div_ceil(SIDE);
        let room = gpu.max_binding_bytes() as usize / (4 * replicas * (shape.weights() + shape.outputs));
        let most = room.min(gpu.max_workgroups() as usize / replicas).max(1);
        let each = chunk_strips(strips, workgroups, most, ROUNDS / strip.rounds())?;
        Some(Self { strip, each, count: strips.div_ceil(each) })
    }
}

/// Strips of each chunk, for `workgroups` workgroups a chunk, at `most` so many chunks and `longest` so many strips.
fn chunk_strips(strips: usize, workgroups: usize, most: usize, longest: usize) -> Option<usize> {
    let wanted = WORKGROUPS.div_ceil(workgroups).min(most);
    let each = strips.div_ceil(wanted).min(longest);
    (strips.div_ceil(each) <= most).then_some(each)
}

/// The gradient of the weights, `[R, stride]`, and behind it with `biases` the sums of the small side's channels.
pub(super) fn weight_gradient(
    gpu: &Gpu,
    shape: &ConvShape,
    chunks: &Chunks,
    biases: bool,
    pass: GradientPass<'_>,
) -> Result<Vec<Dispatch>> {
    let GradientPass { large, small, gradients, stride } = pass;
    let replicas = large.replicas;
    let count = shape.weights() + if biases { shape.outputs } else { 0 };
    // The sums of a single chunk are the gradients.
    let (chunked, replica_stride) = match chunks.count {
        1 => (None, stride),
        chunks => (Some(gpu.zeros("sums of chunks", chunks * replicas * count)?), count),
    };
    let ([input_height, input_width], [height, width]) = (shape.input_size, shape.output_size);
    let immediates = Gradient3x3Tiles {
        batch: large.batch as u32,
        input_height: input_height as u32,
        input_width: input_width as u32,
        padding: shape.padding[0] as u32,
        height: height as u32,
        width: width as u32,
        inputs: shape.inputs as u32,
        outputs: shape.outputs as u32,
        replica_stride: replica_stride as u32,
        chunk_stride: (replicas * count) as u32,
        chunks: chunks.count as u32,
        chunk_strips: chunks.each as u32,
        biases: biases.into(),
    };
    let sums = gpu.dispatch(
        &chunks.strip.kernel,
        &immediates,
        &[
            ("inputs", large.single_buffer()?),
            ("output_gradients", small.single_buffer()?),
            ("chunked", chunked.as_ref().unwrap_or(gradients)),
        ],
        Grid(
            (shape.inputs.div_ceil(SIDE) * LANES) as u32,
            shape.outputs.div_ceil(SIDE) as u32,
            (replicas * chunks.count) as u32,
        ),
    )?;
    let mut dispatches = vec![shape.with_cost(sums, replicas, replicas * large.batch)];
    if let Some(chunked) = chunked {
        let immediates = GradientChunks {
            count: count as u32,
            chunk_stride: (replicas * count) as u32,
            chunks: chunks.count as u32,
            gradient_stride: stride as u32,
        };
        dispatches.push(gpu.dispatch(
            &Kernel::new("conv3x3_tiles", "conv3x3_tiles_gradient_chunks"),
            &immediates,
            &[("chunk_sums", &chunked), ("gradients", gradients)],
            Grid((count as u32).min(STREAM_LANES), replicas as u32, 1),
        )?);
    }
    Ok(dispatches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_take_the_tile_that_covers_them_best() {
        for (image, batch, side) in [
            ([32, 32], 64, 16),
            ([8, 8], 64, 8),
            ([4, 4], 64, 4),
            ([24, 24], 64, 8),
            ([28, 28], 64, 16),
            ([33, 18], 1, 16),
            // A single sample fills no tile of several.
            ([8, 8], 1, 16),
        ] {
            assert_eq!(Tile::of(image, batch).side, side, "{image:?}, {batch}");
        }
        for (image, size) in [([32, 32], [4, 16]), ([8, 8], [8, 8]), ([3, 30], [4, 16]), ([30, 3], [8, 8])] {
            assert_eq!(Strip::of(image).size, size, "{image:?}");
        }
    }

    #[test]
    fn chunks_are_as_many_as_are_wanted_and_never_too_long_or_too_many() {
        // Few channels: a chunk for each strip, or 512 chunks.
        assert_eq!(chunk_strips(300, 1, 10_000, 1800), Some(1));
        assert_eq!(chunk_strips(1024, 1, 10_000, 1800), Some(2));
        // Workgroups enough: all in one.
        assert_eq!(chunk_strips(1024, 512, 10_000, 1800), Some(1024));
        // Memory for three chunks only.
        assert_eq!(chunk_strips(1024, 1, 3, 1800), Some(342));
        // Loops that would be too long, with memory for more chunks and without.
        assert_eq!(chunk_strips(5000, 512, 3, 1800), Some(1800));
        assert_eq!(chunk_strips(5500, 512, 3, 1800), None);
    }
}
