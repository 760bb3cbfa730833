//! The convolution that most networks are made of, for CPUs; see shaders/conv3x3.wgsl.

use super::layer::{Conv, Epilogue, GradientPass, ROUNDS, dispatches};
use super::shape::ConvShape;
use crate::Result;
use crate::gpu::{Buffer, Dispatch, Gpu, Grid, Kernel, Tensor, immediates};
use crate::ops::Arena;
use std::ops::Range;

immediates! {
    /// The immediates of a product, on a CPU and on a GPU.
    pub(super) struct Conv3x3 {
        u32: batch, height, width, from_channels, to_channels, from_stride, to_stride, turned, weight_offset,
             replica_stride, bias_offset, epilogue, activation;
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
    gpu.class().shares_loads() && width.is_multiple_of(4) && height.is_multiple_of(2)
}

/// Whether the weight gradient is for them.
pub(super) fn gradient_fits(gpu: &Gpu, shape: &ConvShape) -> bool {
    fits(gpu, shape) && shape.input_size[1].is_multiple_of(8) && gradient_rounds(shape) <= ROUNDS
}

/// Rounds of a lane's loops for one sample.
fn gradient_rounds(shape: &ConvShape) -> usize {
    let [height, width] = shape.input_size;
    width / 8 * (height + 1) + 1
}

/// The immediates of a product, and the buffer that its derivative is taken from.
pub(super) fn product_immediates<'a>(
    layer: &Conv,
    arena: &Arena,
    upwards: bool,
    from: &'a Tensor,
    epilogue: Epilogue<'a>,
) -> Result<(Conv3x3, &'a Buffer)> {
    let shape = &layer.shape;
    let [height, width] = shape.input_size;
    let (inputs, outputs) = (shape.inputs as u32, shape.outputs as u32);
    let (code, activation, gate) = layer.epilogue(epilogue, from.single_buffer()?)?;
    let (from_channels, to_channels, from_stride, to_stride) =
        if upwards { (outputs, inputs, inputs * 9, 9) } else { (inputs, outputs, 9, inputs * 9) };
    let immediates = Conv3x3 {
        batch: from.batch as u32,
        height: height as u32,
        width: width as u32,
        from_channels,
        to_channels,
        from_stride,
        to_stride,
        turned: upwards.into(),
        weight_offset: layer.weight_offset as u32,
        replica_stride: arena.stride as u32,
        bias_offset: layer.bias_offset() as u32,
        epilogue: code,
        activation: activation.code(),
    };
    Ok((immediates, gate))
}

/// From the large side to the small one, or `upwards` from the small to the large.
pub(super) fn product(
    gpu: &Gpu,
    layer: &Conv,
    arena: &Arena,
    upwards: bool,
    from: &Tensor,
    to: &Tensor,
    epilogue: Epilogue<'_>,
) -> Result<Dispatch> {
    let (immediates, gate) = product_immediates(layer, arena, upwards, from, epilogue)?;
    let [height, width] = layer.shape.input_size;
    let dispatch = gpu.dispatch(
        &Kernel::new("conv3x3", "conv3x3_product"),
        &immediates,
        &[
            ("weights", &arena.buffer),
            ("source4", from.single_buffer()?),
            ("gate4", gate),
            ("result4", to.single_buffer()?),
        ],
        Grid(
            (height / 2 * width / 4) as u32,
            immediates.to_channels.div_ceil(8),
            (from.replicas * from.batch) as u32,
        ),
    )?;
    Ok(layer.shape.with_cost(dispatch, from.replicas, from.replicas * from.batch))
}

/// The gradient of the weights, `[R, stride]`.
pub(super) fn weight_gradient(gpu: &Gpu, shape: &ConvShape, pass: GradientPass<'_>) -> Result<Vec<Dispatch>> {
    let GradientPass { large, small, gradients, stride } = pass;
    let [height, width] = shape.input_size;
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
    let buffers = [
        ("inputs", large.single_buffer()?),
        ("inputs4", large.single_buffer()?),
        ("output_gradients4", small.single_buffer()?),
        ("gradients", gradients),
    ];
    let grid = Grid(shape.inputs as u32, shape.outputs.div_ceil(8) as u32, large.replicas as u32);
    let kernel = Kernel::new("conv3x3", "conv3x3_weight_gradient");
    dispatches(large.batch, gradient_rounds(shape))
        .map(|samples| {
            let lines = large.replicas * samples.len();
            Ok(shape.with_cost(
                gpu.dispatch(&kernel, &immediates(samples), &buffers, grid)?,
                large.replicas,
                lines,
            ))
        })
        .collect()
}
