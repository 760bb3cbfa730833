//! The convolution that most networks are made of, for CPUs; see shaders/conv3x3.wgsl.

use super::layer::{GradientPass, ROUNDS, dispatches};
use super::shape::ConvShape;
use crate::Result;
use crate::gpu::{Dispatch, Gpu, Grid, Kernel, immediates};
use std::ops::Range;

immediates! {
    /// The immediates of a product, on a CPU and on a GPU.
    pub(super) struct Conv3x3 {
        u32: batch, from_height, from_width, height, width, offset, from_channels, to_channels, from_stride,
             to_stride, turned, weight_offset, replica_stride, bias_offset, epilogue, activation;
    }
}

immediates! {
    struct Gradient3x3 {
        u32: batch, height, width, inputs, outputs, gradient_stride, first_sample, end_sample;
    }
}

/// Whether the products are for this adapter and this size of a 3x3 convolution.
pub(super) fn fits(gpu: &Gpu, shape: &ConvShape) -> bool {
    let [height, width] = shape.input_size;
    let whole_tiles = width.is_multiple_of(4) && height.is_multiple_of(2);
    gpu.class().shares_loads() && (shape.is_valid() || whole_tiles)
}

/// Whether the weight gradient is for them.
pub(super) fn gradient_fits(gpu: &Gpu, shape: &ConvShape) -> bool {
    let whole_eights = shape.is_valid() || shape.input_size[1].is_multiple_of(8);
    fits(gpu, shape) && whole_eights && gradient_rounds(shape) <= ROUNDS
}

/// Rounds of a lane's loops for one sample.
fn gradient_rounds(shape: &ConvShape) -> usize {
    let [height, width] = shape.output_size;
    width.div_ceil(8) * (height + 1) + 1
}

/// The kernel of a product that gives `channels` channels of `lines` images of this size, and what it calls its source,
/// its gate and its result.
pub(super) fn product(
    shape: &ConvShape,
    [height, width]: [usize; 2],
    channels: u32,
    lines: usize,
) -> (Kernel, Grid, [&'static str; 3]) {
    let tiles = height.div_ceil(2) * width.div_ceil(4);
    let grid = Grid(tiles as u32, channels.div_ceil(8), lines as u32);
    if shape.is_valid() {
        (Kernel::new("conv3x3", "conv3x3_valid_product"), grid, ["source", "gate", "result"])
    } else {
        (Kernel::new("conv3x3", "conv3x3_product"), grid, ["source4", "gate4", "result4"])
    }
}

/// The gradient of the weights, `[R, stride]`.
pub(super) fn weight_gradient(gpu: &Gpu, shape: &ConvShape, pass: GradientPass<'_>) -> Result<Vec<Dispatch>> {
    let GradientPass { large, small, gradients, stride } = pass;
    let [height, width] = shape.output_size;
    let immediates = |samples: Range<u32>| Gradient3x3 {
        batch: large.batch as u32,
        height: height as u32,
        width: width as u32,
        inputs: shape.inputs as u32,
        outputs: shape.outputs as u32,
        gradient_stride: stride as u32,
        first_sample: samples.start,
        end_sample: samples.end,
    };
    let (large_side, small_side) = (large.single_buffer()?, small.single_buffer()?);
    let (entry, small_name) = if shape.is_valid() {
        ("conv3x3_valid_weight_gradient", "output_gradients")
    } else {
        ("conv3x3_weight_gradient", "output_gradients4")
    };
    let mut buffers = vec![("inputs", large_side), (small_name, small_side), ("gradients", gradients)];
    if !shape.is_valid() {
        buffers.push(("inputs4", large_side));
    }
    let grid = Grid(shape.inputs as u32, shape.outputs.div_ceil(8) as u32, large.replicas as u32);
    let kernel = Kernel::new("conv3x3", entry);
    dispatches(large.batch, gradient_rounds(shape))
        .map(|samples| {
            let lines = large.replicas * samples.len();
            let dispatch = gpu.dispatch(&kernel, &immediates(samples), &buffers, grid)?;
            Ok(shape.with_cost(dispatch, large.replicas, lines))
        })
        .collect()
}
