//! Convolutions and transposed convolutions, in two dimensions; one dimension is height 1.

pub mod conv3x3;
pub mod conv3x3_tiles;
mod layer;
mod shape;
mod variants;

pub use layer::Conv;
pub(crate) use layer::ROUNDS;
pub use shape::{ConvShape, Part};

use super::elementwise::STREAM_LANES;
use super::optimizer::{self, Gradients};
use super::{Activated, Arena, TrainedArena, UpdateRule};
use crate::Result;
use crate::gpu::{Buffer, Dispatch, Gpu, Grid, Kernel, Tensor, immediates};
use conv3x3::Conv3x3;
use layer::{GradientPass, dispatches};
use std::ops::Range;
use variants::{Product, WeightGradient};

immediates! {
    struct ConvPass {
        u32: batch, inputs, input_height, input_width, outputs, output_height, output_width, kernel_height,
             kernel_width, stride_height, stride_width, pad_top, pad_left, weight_offset, replica_stride,
             bias_offset, epilogue, activation, large_first, large_line, small_first, small_line,
             gradient_stride, strip, first_strip, end_strip;
    }
}

immediates! {
    struct BiasGradient {
        u32: batch, channels, height, width, gradient_first, gradient_stride, first, line, first_row, end_row;
    }
}

immediates! {
    struct PlaneChunks {
        u32: pixels, chunk, chunks, first, line;
    }
}

/// Pixels of a plane that one lane adds up for a bias; larger planes are added up by several.
const CHUNK: usize = 2048;

/// The same on a GPU, whose lanes are many and slow, for the planes of all samples of a channel together.
const GPU_CHUNK: usize = 256;

/// Pixels of a row that a lane adds up at a time for a weight.
const STRIP: usize = 16_384;

const EPILOGUE_FORWARD: u32 = 1;
const EPILOGUE_BACKWARD: u32 = 2;

impl Conv {
    /// `output = activation(input * weights + bias)`
    pub fn forward(
        &self,
        gpu: &Gpu,
        arenas: &[Arena],
        input: &Tensor,
        output: &Tensor,
    ) -> Result<Vec<Dispatch>> {
        self.product(gpu, arenas, self.transposed, input, output, None)
    }

    /// The gradient at `input`, before the activation that `input` came out of.
    pub fn backward_input(
        &self,
        gpu: &Gpu,
        arenas: &[Arena],
        output_gradient: &Tensor,
        input: Activated<'_>,
        input_gradient: &Tensor,
    ) -> Result<Vec<Dispatch>> {
        self.product(gpu, arenas, !self.transposed, output_gradient, input_gradient, Some(input))
    }

    /// From the large side to the small one, or `upwards` from the small to the large. Bias and activation come last,
    /// or the derivative of the activation that `before` came out of.
    fn product(
        &self,
        gpu: &Gpu,
        arenas: &[Arena],
        upwards: bool,
        from: &Tensor,
        to: &Tensor,
        before: Option<Activated<'_>>,
    ) -> Result<Vec<Dispatch>> {
        let arena = &arenas[self.arena];
        let (source, result) = (from.single_buffer()?, to.single_buffer()?);
        // Without a derivative to take, the gate is any buffer that is not written.
        let (epilogue, activation, gate) = match before {
            None => (EPILOGUE_FORWARD, self.activation.code(), source),
            Some(before) => (EPILOGUE_BACKWARD, before.activation.code(), before.values.single_buffer()?),
        };
        let (s, lines) = (&self.shape, from.replicas * from.batch);
        let (inputs, outputs) = (s.inputs as u32, s.outputs as u32);
        let (small, large) = ((outputs, s.output_size), (inputs, s.input_size));
        let ((from_channels, [from_height, from_width]), (to_channels, [height, width])) =
            if upwards { (small, large) } else { (large, small) };
        let variant = variants::product(gpu, self, upwards, from.batch);
        let plain_names = ["source", "gate", "result"];
        let (kernel, grid, [source_name, gate_name, result_name]) = match variant {
            Product::Reference => {
                let entry = if upwards { "conv_backward_input_naive" } else { "conv_forward_naive" };
                let lanes = ((height * width) as u32).min(STREAM_LANES);
                (Kernel::new("conv", entry), Grid(lanes, to_channels, lines as u32), plain_names)
            }
            Product::Lanes => conv3x3::product(gpu, s, [height, width], to_channels, lines),
            Product::Tiles => {
                let (kernel, grid) = conv3x3_tiles::product([height, width], to_channels, from);
                (kernel, grid, plain_names)
            }
        };
        let buffers =
            [("weights", &arena.buffer), (source_name, source), (gate_name, gate), (result_name, result)];
        let weight_offset = self.weight_offset as u32;
        let replica_stride = arena.stride as u32;
        let bias_offset = (self.weight_offset + s.weights()) as u32;
        let dispatch = if let Product::Reference = variant {
            let geometry = self.geometry(from.batch);
            let immediates =
                ConvPass { weight_offset, replica_stride, bias_offset, epilogue, activation, ..geometry };
            gpu.dispatch(&kernel, &immediates, &buffers, grid)?
        } else {
            let (from_stride, to_stride) = if upwards { (inputs * 9, 9) } else { (9, inputs * 9) };
            let immediates = Conv3x3 {
                batch: from.batch as u32,
                from_height: from_height as u32,
                from_width: from_width as u32,
                height: height as u32,
                width: width as u32,
                // Of the kernel's two other rows, those that lie above on one way lie below on the other.
                offset: (if upwards { 2 - s.padding[0] } else { s.padding[0] }) as u32,
                from_channels,
                to_channels,
                from_stride,
                to_stride,
                turned: upwards.into(),
                weight_offset,
                replica_stride,
                bias_offset,
                epilogue,
                activation,
            };
            gpu.dispatch(&kernel, &immediates, &buffers, grid)?
        };
        Ok(vec![s.with_cost(dispatch, from.replicas, lines)])
    }

    /// The immediates that every pass has.
    fn geometry(&self, batch: usize) -> ConvPass {
        let s = &self.shape;
        ConvPass {
            batch: batch as u32,
            inputs: s.inputs as u32,
            input_height: s.input_size[0] as u32,
            input_width: s.input_size[1] as u32,
            outputs: s.outputs as u32,
            output_height: s.output_size[0] as u32,
            output_width: s.output_size[1] as u32,
            kernel_height: s.kernel[0] as u32,
            kernel_width: s.kernel[1] as u32,
            stride_height: s.stride[0] as u32,
            stride_width: s.stride[1] as u32,
            pad_top: s.padding[0] as u32,
            pad_left: s.padding[1] as u32,
            large_first: self.large.first as u32,
            large_line: self.large.line as u32,
            small_first: self.small.first as u32,
            small_line: self.small.line as u32,
            ..Default::default()
        }
    }

    /// Forms the gradients of weights and biases and applies the optimiser.
    pub fn update(
        &self,
        gpu: &Gpu,
        arenas: &[TrainedArena],
        rule: UpdateRule<'_>,
        input: &Tensor,
        output_gradient: &Tensor,
    ) -> Result<Vec<Dispatch>> {
        let (large, small) =
            if self.transposed { (output_gradient, input) } else { (input, output_gradient) };
        let (gradients, has_biases, mut dispatches) = self.gradients(gpu, large, small)?;
        if !has_biases {
            dispatches.extend(self.bias_gradient(gpu, output_gradient, &gradients)?);
        }
        let step = Gradients {
            buffer: &gradients,
            replicas: input.replicas,
            count: self.shape.weights() + self.output_channels(),
            offset: self.weight_offset,
            rate_scale: self.rate_scale,
        };
        dispatches.push(optimizer::apply(gpu, &arenas[self.arena], rule, step)?);
        Ok(dispatches)
    }

    /// The gradients of weights and biases, `[R, count]`, and what forms those of the weights; whether it forms those
    /// of the biases too.
    pub(crate) fn gradients(
        &self,
        gpu: &Gpu,
        large: &Tensor,
        small: &Tensor,
    ) -> Result<(Buffer, bool, Vec<Dispatch>)> {
        let s = &self.shape;
        let stride = s.weights() + self.output_channels();
        let gradients = gpu.zeros("weight gradients", large.replicas * stride)?;
        let pass = GradientPass { large, small, gradients: &gradients, stride };
        let (has_biases, dispatches) =
            match variants::weight_gradient(gpu, self, [large.replicas, large.batch]) {
                WeightGradient::Reference => (false, self.weight_gradient(gpu, pass)?),
                WeightGradient::Lanes => (false, conv3x3::weight_gradient(gpu, s, pass)?),
                WeightGradient::Tiles { chunks, biases } => {
                    (biases, conv3x3_tiles::weight_gradient(gpu, s, &chunks, biases, pass)?)
                }
            };
        Ok((gradients, has_biases, dispatches))
    }

    fn weight_gradient(&self, gpu: &Gpu, pass: GradientPass<'_>) -> Result<Vec<Dispatch>> {
        let s = &self.shape;
        let GradientPass { large, small, gradients, stride } = pass;
        let [height, width] = s.output_size;
        let strip = width.min(STRIP);
        let immediates = |strips: Range<u32>| ConvPass {
            gradient_stride: stride as u32,
            strip: strip as u32,
            first_strip: strips.start,
            end_strip: strips.end,
            ..self.geometry(large.batch)
        };
        let buffers = [
            ("large_side", large.single_buffer()?),
            ("small_side", small.single_buffer()?),
            ("gradients", gradients),
        ];
        let grid = Grid((s.weights() / s.outputs) as u32, s.outputs as u32, large.replicas as u32);
        let kernel = Kernel::new("conv", "conv_weight_gradient_naive");
        dispatches(large.batch * height * width.div_ceil(strip), strip + 1)
            .map(|strips| gpu.dispatch(&kernel, &immediates(strips), &buffers, grid))
            .collect()
    }

    fn bias_gradient(
        &self,
        gpu: &Gpu,
        output_gradient: &Tensor,
        gradients: &Buffer,
    ) -> Result<Vec<Dispatch>> {
        let channels = self.output_channels();
        let ([height, width], part) = if self.transposed {
            (self.shape.input_size, self.large)
        } else {
            (self.shape.output_size, self.small)
        };
        let (replicas, batch) = (output_gradient.replicas, output_gradient.batch);
        let values = output_gradient.single_buffer()?;
        let pixels = height * width;
        let (chunk, alone) = if gpu.class().is_cpu() {
            (CHUNK, pixels <= CHUNK)
        } else {
            (GPU_CHUNK, batch * pixels <= GPU_CHUNK)
        };
        if alone {
            return self.bias_sums(gpu, values, [replicas, batch, height, width], part, gradients);
        }
        let chunks = pixels.div_ceil(chunk);
        let sums = gpu.zeros("sums of chunks", replicas * batch * channels * chunks)?;
        let immediates = PlaneChunks {
            pixels: pixels as u32,
            chunk: chunk as u32,
            chunks: chunks as u32,
            first: part.first as u32,
            line: part.line as u32,
        };
        let mut all = vec![gpu.dispatch(
            &Kernel::new("conv", "conv_plane_chunks"),
            &immediates,
            &[("bias_side", values), ("chunk_sums", &sums)],
            Grid(chunks as u32, channels as u32, (replicas * batch) as u32),
        )?];
        let part = Part::whole(channels * chunks);
        all.extend(self.bias_sums(gpu, &sums, [replicas, batch, 1, chunks], part, gradients)?);
        Ok(all)
    }

    /// Adds up planes `[R, B, channels, height, width]` of a layer's outputs for the gradients of the biases.
    fn bias_sums(
        &self,
        gpu: &Gpu,
        planes: &Buffer,
        [replicas, batch, height, width]: [usize; 4],
        part: Part,
        gradients: &Buffer,
    ) -> Result<Vec<Dispatch>> {
        let channels = self.output_channels();
        let immediates = |rows: Range<u32>| BiasGradient {
            batch: batch as u32,
            channels: channels as u32,
            height: height as u32,
            width: width as u32,
            gradient_first: self.shape.weights() as u32,
            gradient_stride: (self.shape.weights() + channels) as u32,
            first: part.first as u32,
            line: part.line as u32,
            first_row: rows.start,
            end_row: rows.end,
        };
        let buffers = [("bias_side", planes), ("gradients", gradients)];
        let grid = Grid(channels as u32, replicas as u32, 1);
        let kernel = Kernel::new("conv", "conv_bias_gradient");
        dispatches(batch * height, width + 1)
            .map(|rows| gpu.dispatch(&kernel, &immediates(rows), &buffers, grid))
            .collect()
    }
}
