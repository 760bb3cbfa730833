//! The kernels that most of the time goes into, in the shapes of the models.

use super::harness::{Ready, Unit};
use super::synthetic::{images, values};
use super::work::{Work, work};
use crate::Result;
use crate::gpu::{Buffer, Cost, Dispatch, Gpu, RowRange, Tensor};
use crate::model::{Activation, Optimizer, ScheduleWriter};
use crate::ops::conv::{Conv, ConvShape};
use crate::ops::dense::{Carry, Dense, DenseShard, RowsAre};
use crate::ops::largest::Selection;
use crate::ops::pool::{Pool, PoolKind};
use crate::ops::reduce::{self, Replicas};
use crate::ops::{Activated, Arena, TrainedArena, loss};

/// Images of a batch.
const BATCH: usize = 64;

/// The works of this file.
pub(super) fn works() -> Vec<Work> {
    let conv =
        |name, what, pass, channels, size| work(name, what, move |gpu| conv(gpu, pass, channels, size));
    vec![
        conv("conv-forward-32", "3x3, 32 channels of 32x32 pixels, batch 64", Pass::Forward, 32, 32),
        conv("conv-input-gradient-32", "the way back to its input", Pass::InputGradient, 32, 32),
        conv("conv-weight-gradient-32", "the gradient of its weights", Pass::WeightGradient, 32, 32),
        conv("conv-forward-8", "3x3, 128 channels of 8x8 pixels, batch 64", Pass::Forward, 128, 8),
        conv("conv-input-gradient-8", "the way back to its input", Pass::InputGradient, 128, 8),
        conv("conv-weight-gradient-8", "the gradient of its weights", Pass::WeightGradient, 128, 8),
        work("pool-forward-32", "2x2 maximum of 32 channels of 32x32 pixels, batch 64", |gpu| {
            pool(gpu, false)
        }),
        work("pool-backward-32", "the way back", |gpu| pool(gpu, true)),
        work("loss-64", "softmax, cross-entropy and gradient, batch 64", softmax),
        work("gather-64x784", "a batch of 64 from 60,000 images", gather),
        work("update-784x20", "gradient and Adam of the MNIST classifier's first layer, batch 64", |gpu| {
            update(gpu, [784, 20, BATCH], false)
        }),
        work(
            "update-320x91762-b8",
            "gradient, Adam and input gradient of a shard of the wide decoder",
            |gpu| update(gpu, [320, 91_762, 8], true),
        ),
        work("average-50", "the average of 50 models of 15,910 weights", average),
        work("largest-50", "the 160 largest of each of 50 models of 15,910 weights", |gpu| {
            largest(gpu, [50, 15_910, 160])
        }),
        work("largest-550570", "the 4,000 largest of 550,570 weights", |gpu| {
            largest(gpu, [1, 550_570, 4_000])
        }),
    ]
}

#[derive(Clone, Copy)]
enum Pass {
    Forward,
    InputGradient,
    WeightGradient,
}

/// A tensor `[1, B, N]` of values.
fn tensor(gpu: &Gpu, batch: usize, width: usize, stream: u64) -> Result<Tensor> {
    let tensor = Tensor::zeros(gpu, "values", 1, batch, width)?;
    tensor.write(gpu, &values(batch * width, stream, 1.0));
    Ok(tensor)
}

/// Parameters of `count` values within 0.1 of zero, with moments of zero.
fn arena(gpu: &Gpu, count: usize) -> Result<TrainedArena> {
    let stride = count.next_multiple_of(4);
    let buffer = gpu.upload("parameters", &values(stride, 0, 0.1))?;
    Ok(TrainedArena {
        parameters: Arena { buffer, stride },
        first_moments: gpu.zeros("first moments", stride)?,
        second_moments: Some(gpu.zeros("second moments", stride)?),
    })
}

/// A schedule of one step of a batch.
fn schedule(gpu: &Gpu, optimizer: Optimizer, batch: usize) -> Result<ScheduleWriter> {
    let mut writer = ScheduleWriter::new(gpu, optimizer, 1, 1)?;
    writer.write(gpu, 1, |_, _| batch);
    Ok(writer)
}

fn conv(gpu: &Gpu, pass: Pass, channels: usize, size: usize) -> Result<Ready<'_>> {
    let shape = ConvShape {
        inputs: channels,
        outputs: channels,
        input_size: [size, size],
        output_size: [size, size],
        kernel: [3, 3],
        stride: [1, 1],
        padding: [1, 1],
    };
    let layer = Conv::new(shape, false, Activation::Relu);
    let arena = arena(gpu, shape.weights() + channels)?;
    let side = |stream| tensor(gpu, BATCH, shape.input_width(), stream);
    let (input, output, gradient) = (side(1)?, side(2)?, side(3)?);
    let parameters = [arena.parameters.clone()];
    let dispatches = match pass {
        Pass::Forward => layer.forward(gpu, &parameters, &input, &output)?,
        Pass::InputGradient => {
            let input = Activated { values: &input, activation: Activation::Relu };
            layer.backward_input(gpu, &parameters, &gradient, input, &output)?
        }
        Pass::WeightGradient => layer.gradients(gpu, &input, &gradient)?.2,
    };
    let sides = 2 * BATCH * shape.input_width();
    let cost = Cost {
        bytes: 4 * (sides + shape.weights()) as u64,
        operations: 2 * (BATCH * size * size * shape.weights()) as u64,
    };
    Ready::dispatches(gpu, dispatches, Some(cost), Unit::Gflops)
}

fn pool(gpu: &Gpu, back: bool) -> Result<Ready<'_>> {
    let layer = Pool { kind: PoolKind::Max, channels: 32, input_size: [32, 32], window: 2, stride: 2 };
    let (input, output) = (tensor(gpu, BATCH, layer.inputs(), 1)?, tensor(gpu, BATCH, layer.outputs(), 2)?);
    let gradient = tensor(gpu, BATCH, layer.inputs(), 3)?;
    let dispatch = if back {
        let input = Activated { values: &input, activation: Activation::Relu };
        layer.backward_input(gpu, &output, input, &gradient)?
    } else {
        layer.forward(gpu, &input, &output)?
    };
    Ready::dispatches(gpu, vec![dispatch], None, Unit::GigabytesPerSecond)
}

fn softmax(gpu: &Gpu) -> Result<Ready<'_>> {
    let (outputs, gradients) = (tensor(gpu, BATCH, 10, 1)?, tensor(gpu, BATCH, 10, 2)?);
    let labels = gpu.upload("labels", &(0..BATCH as u32).map(|place| place % 10).collect::<Vec<_>>())?;
    let (tallies, spare) = (gpu.zeros("tallies", 2 * BATCH)?, gpu.zeros("spare", 4)?);
    let writer = schedule(gpu, Optimizer::default(), BATCH)?;
    let (schedule, gradients) = (&writer.schedule, Some(&gradients));
    let dispatch =
        loss::softmax_cross_entropy(gpu, &outputs, &labels, schedule, gradients, &tallies, &spare)?;
    Ready::dispatches(gpu, vec![dispatch], None, Unit::Microseconds)
}

fn gather(gpu: &Gpu) -> Result<Ready<'_>> {
    let count = 60_000;
    let images = crate::training::ResidentImages::upload(gpu, &images(count, [1, 28, 28]))?;
    let numbers: Vec<u32> = (0..BATCH as u32).map(|place| place * 7_919 % count as u32).collect();
    let index = crate::ops::gather::SampleIndex { buffer: gpu.upload("index", &numbers)?, steps: 1 };
    let (labels, epoch) = (gpu.zeros("labels", BATCH)?, gpu.zeros("epoch", 3)?);
    let samples = Tensor::zeros(gpu, "batch", 1, BATCH, 784)?;
    let dispatches = images.gather(gpu, &index, &epoch, &labels, &samples)?;
    // A byte in, four bytes out.
    bandwidth(gpu, dispatches, BATCH * 784 * 5 / 4)
}

/// Dispatches that move `values` values and compute next to nothing.
fn bandwidth(gpu: &Gpu, dispatches: Vec<Dispatch>, values: usize) -> Result<Ready<'_>> {
    let cost = Cost { bytes: 4 * values as u64, operations: 0 };
    Ready::dispatches(gpu, dispatches, Some(cost), Unit::GigabytesPerSecond)
}

/// The update of a dense layer, and with `carries` the gradient of its input along with it.
fn update(gpu: &Gpu, [inputs, outputs, batch]: [usize; 3], carries: bool) -> Result<Ready<'_>> {
    // As many rows as fit one binding, biases included.
    let outputs = outputs.min(gpu.max_binding_bytes() as usize / 4 / (inputs + 1));
    let range = RowRange { start: 0, len: outputs };
    let shard = DenseShard { range, arena: 0, weight_offset: 0, bias_offset: Some(inputs * outputs) };
    let unplaced = Dense::new(inputs, outputs, RowsAre::Outputs, Activation::Linear);
    let layer = Dense { shards: vec![shard], ..unplaced };
    let arenas = [arena(gpu, (inputs + 1) * outputs)?];
    let (input, gradient) = (tensor(gpu, batch, inputs, 1)?, tensor(gpu, batch, outputs, 2)?);
    let writer = schedule(gpu, Optimizer { lr: 1e-5, ..Optimizer::default() }, batch)?;
    let update = || layer.update(gpu, &arenas, writer.rule(), &input, &gradient);
    if !carries {
        return Ready::dispatches(gpu, update()?, None, Unit::Gflops);
    }
    let into = tensor(gpu, batch, inputs, 3)?;
    let carry = Carry::InputGradient { before: Activation::Linear, into: &into };
    let dispatches = match layer.update_and_carry(gpu, &arenas, writer.rule(), &input, &gradient, carry)? {
        Some(both) => both,
        // Where there is no kernel that does both, the two by themselves.
        None => {
            let parameters = [arenas[0].parameters.clone()];
            let before = Activated { values: &input, activation: Activation::Linear };
            let mut all = layer.backward_input(gpu, &parameters, &gradient, before, &into)?;
            all.extend(update()?);
            all
        }
    };
    Ready::dispatches(gpu, dispatches, None, Unit::GigabytesPerSecond)
}

fn average(gpu: &Gpu) -> Result<Ready<'_>> {
    let (models, width) = (50, 15_910);
    let all: Buffer = gpu.upload("models", &values(models * width, 1, 0.1))?;
    let (weights, result) = (gpu.upload("weights", &vec![1f32; models])?, gpu.zeros("average", width)?);
    let replicas = Replicas { values: &all, count: models, first: 0, stride: width };
    let dispatch = reduce::average_replicas(gpu, replicas, &weights, &result, 0, width)?;
    bandwidth(gpu, vec![dispatch], (models + 1) * width)
}

fn largest(gpu: &Gpu, [models, width, count]: [usize; 3]) -> Result<Ready<'_>> {
    let all = Tensor::zeros(gpu, "models", models, 1, width)?;
    all.write(gpu, &values(models * width, 1, 0.1));
    let selection = Selection::new(gpu, &all, count)?;
    bandwidth(gpu, selection.plan(gpu, &all)?, models * width)
}
