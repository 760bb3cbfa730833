//! The convolution that most networks are made of, for CPUs; see shaders/conv3x3.wgsl.

use super::layer::{GradientPass, ROUNDS, dispatches};
use super::shape::ConvShape;
use crate::Result;
use crate::gpu::{Dispatch, FEW_LANES, Gpu, Grid, Kernel, SHARING_LANES, Tiles, immediates};
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
        u32: batch, input_height, input_width, padding, height, width, inputs, outputs, gradient_stride, first_sample,
             end_sample;
    }
}

/// Workgroups of four lanes, for processors whose subgroups have no more.
const FOUR: Tiles = &[("WIDTH", FEW_LANES)];

const PRODUCT: Kernel = Kernel::new("conv3x3", "conv3x3_product");
const ANY_PRODUCT: Kernel = Kernel::new("conv3x3", "conv3x3_any_product");
const WEIGHT_GRADIENT: Kernel = Kernel::new("conv3x3", "conv3x3_weight_gradient");
const ANY_WEIGHT_GRADIENT: Kernel = Kernel::new("conv3x3", "conv3x3_any_weight_gradient");

/// Every variant there is, for the tests.
pub const ALL: [Kernel; 8] = [
    PRODUCT,
    ANY_PRODUCT,
    WEIGHT_GRADIENT,
    ANY_WEIGHT_GRADIENT,
    PRODUCT.tiled(FOUR),
    ANY_PRODUCT.tiled(FOUR),
    WEIGHT_GRADIENT.tiled(FOUR),
    ANY_WEIGHT_GRADIENT.tiled(FOUR),
];

/// Whether the products are for this adapter.
pub(super) fn fits(gpu: &Gpu) -> bool {
    gpu.class().shares_loads() || gpu.shares_in_fours()
}

/// A kernel as wide as this adapter's subgroups allow, and the lanes of its workgroups.
fn as_wide(gpu: &Gpu, kernel: Kernel) -> (Kernel, u32) {
    if gpu.class().shares_loads() { (kernel, SHARING_LANES) } else { (kernel.tiled(FOUR), FEW_LANES) }
}

/// Whether the weight gradient of a 3x3 convolution of this size is for this adapter.
pub(super) fn gradient_fits(gpu: &Gpu, shape: &ConvShape) -> bool {
    fits(gpu) && gradient_rounds(shape) <= ROUNDS
}

/// Whether images are as large after as before and made of whole tiles, so that their rows can be loaded four pixels
/// at a time: 32 channels of 32x32 pixels take 0.65 of what the product for any size takes, and 0.8 of what the weight
/// gradient does (`conv-forward-32`, `conv-weight-gradient-32`, Mesa 25.0.7).
fn is_aligned(shape: &ConvShape) -> bool {
    let [height, width] = shape.input_size;
    shape.is_same() && width.is_multiple_of(4) && height.is_multiple_of(2)
}

/// Rounds of a lane's loops for one sample.
fn gradient_rounds(shape: &ConvShape) -> usize {
    let [height, width] = shape.output_size;
    width.div_ceil(8) * (height + 1) + 1
}

/// The kernel of a product that gives `channels` channels of `lines` images of this size, and what it calls its source,
/// its gate and its result.
pub(super) fn product(
    gpu: &Gpu,
    shape: &ConvShape,
    [height, width]: [usize; 2],
    channels: u32,
    lines: usize,
) -> (Kernel, Grid, [&'static str; 3]) {
    let tiles = height.div_ceil(2) * width.div_ceil(4);
    let (kernel, names) = if is_aligned(shape) {
        (PRODUCT, ["source4", "gate4", "result4"])
    } else {
        (ANY_PRODUCT, ["source", "gate", "result"])
    };
    (as_wide(gpu, kernel).0, Grid(tiles as u32, channels.div_ceil(8), lines as u32), names)
}

/// The gradient of the weights, `[R, stride]`.
pub(super) fn weight_gradient(gpu: &Gpu, shape: &ConvShape, pass: GradientPass<'_>) -> Result<Vec<Dispatch>> {
    let GradientPass { large, small, gradients, stride } = pass;
    let ([input_height, input_width], [height, width]) = (shape.input_size, shape.output_size);
    let immediates = |samples: Range<u32>| Gradient3x3 {
        batch: large.batch as u32,
        input_height: input_height as u32,
        input_width: input_width as u32,
        padding: shape.padding[0] as u32,
        height: height as u32,
        width: width as u32,
        inputs: shape.inputs as u32,
        outputs: shape.outputs as u32,
        gradient_stride: stride as u32,
        first_sample: samples.start,
        end_sample: samples.end,
    };
    let (large_side, small_side) = (large.single_buffer()?, small.single_buffer()?);
    let whole_eights = is_aligned(shape) && width.is_multiple_of(8);
    let (kernel, small_name) = if whole_eights {
        (WEIGHT_GRADIENT, "output_gradients4")
    } else {
        (ANY_WEIGHT_GRADIENT, "output_gradients")
    };
    let mut buffers = vec![("inputs", large_side), (small_name, small_side), ("gradients", gradients)];
    if whole_eights {
        buffers.push(("inputs4", large_side));
    }
    let (kernel, lanes) = as_wide(gpu, kernel);
    let grid = Grid(shape.inputs as u32, (shape.outputs as u32).div_ceil(lanes), large.replicas as u32);
    dispatches(large.batch, gradient_rounds(shape))
        .map(|samples| {
            let lines = large.replicas * samples.len();
            let dispatch = gpu.dispatch(&kernel, &immediates(samples), &buffers, grid)?;
            Ok(shape.with_cost(dispatch, large.replicas, lines))
        })
        .collect()
}
