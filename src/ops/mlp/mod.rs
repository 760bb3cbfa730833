//! A classifier of two dense layers on images, a step in two dispatches where the adapter has the kernels for that;
//! see shaders/mlp.wgsl.

mod probe;

pub use probe::{BothSidesStep, WALKS};

use super::conv::ROUNDS;
use super::dense::{Dense, RowsAre};
use super::gather::{ImageShard, SampleIndex};
use super::{Activation, Arena, Schedule, TrainedArena, UpdateRule};
use crate::gpu::{Buffer, Cost, Dispatch, Gpu, Grid, Kernel, SHARING_LANES, immediates};
use crate::{Error, Result};

immediates! {
    struct MlpStep {
        u32: batch, steps, step, width, channel_width, hidden, outputs, hidden_weights, hidden_bias,
             output_weights, output_bias, replica_stride, activation, gradient;
        f32: hidden_rate, output_rate, beta1, beta2, epsilon, weight_decay;
        u32: decoupled;
    }
}

/// The update's kernels: SGD's, Adam's, that of SGD which leaves no moments, and the one which leaves gradients alone: half
/// of the loads and stores of SGD's.
pub const UPDATES: [Kernel; 4] = [
    Kernel::new("mlp", "mlp_update").tiled(&[("ADAPTIVE", 0)]),
    Kernel::new("mlp", "mlp_update").tiled(&[("ADAPTIVE", 1)]),
    Kernel::new("mlp", "mlp_update").tiled(&[("ADAPTIVE", 0), ("MOMENTS", 0)]),
    Kernel::new("mlp", "mlp_update").tiled(&[("ADAPTIVE", 0), ("MOMENTS", 2)]),
];

/// With more hidden values one lane's work outweighs the dispatches that are saved.
const MOST_HIDDEN: usize = 64;

/// Rows whose sums a lane keeps in registers, hidden values and outputs alike. All outputs are kept at once.
const TEN: usize = 10;

/// The images that batches are taken from, and which.
#[derive(Clone, Copy, Debug)]
pub struct Batches<'a> {
    /// All images, in one binding.
    pub images: &'a ImageShard,
    /// A factor and a summand for each channel.
    pub scales: &'a Buffer,
    /// Pixels of a channel.
    pub channel_width: usize,
    /// The samples of each step.
    pub index: &'a SampleIndex,
    /// R
    pub replicas: usize,
    /// B
    pub batch: usize,
}

/// The two layers with the memory of a step.
#[derive(Debug)]
pub struct Mlp<'a> {
    batches: Batches<'a>,
    immediates: MlpStep,
    /// `[R, B, 2H + O]`
    values: Buffer,
    arena: usize,
}

/// Rounds of a lane's loops, of the dispatch in which they are more.
fn rounds(first: &Dense, batch: usize) -> usize {
    let tile = first.inputs + 10 * (TEN + 2);
    (first.outputs.div_ceil(TEN) * tile).max(2 * batch + 10 * TEN)
}

impl<'a> Mlp<'a> {
    /// Where there are kernels for these layers on this adapter. GPUs keep to one kernel for each layer: with eight
    /// lanes a workgroup would leave most of their subgroups empty.
    pub fn new(
        gpu: &Gpu,
        [first, second]: [&Dense; 2],
        arenas: &[Arena],
        batches: Batches<'a>,
    ) -> Result<Option<Self>> {
        let ([hidden], [output]) = (first.shards.as_slice(), second.shards.as_slice()) else {
            return Ok(None);
        };
        let (Some(hidden_bias), Some(output_bias)) = (hidden.bias_offset, output.bias_offset) else {
            return Ok(None);
        };
        let stride = arenas[hidden.arena].stride;
        let lengths = [batches.channel_width, first.outputs, stride];
        let offsets = [hidden.weight_offset, hidden_bias, output.weight_offset, output_bias];
        let fits = gpu.class().shares_loads()
            && hidden.arena == output.arena
            && [first, second].iter().all(|layer| layer.rows_are == RowsAre::Outputs)
            && second.activation == Activation::Linear
            && first.outputs <= MOST_HIDDEN
            && second.outputs <= TEN
            && rounds(first, batches.batch) <= ROUNDS
            && lengths.iter().chain(&offsets).all(|n| n.is_multiple_of(4));
        // Three more, since values are loaded by four.
        let values = batches.replicas * batches.batch * (2 * first.outputs + second.outputs) + 3;
        if !fits || 4 * values as u64 > gpu.max_binding_bytes() {
            return Ok(None);
        }
        let immediates = MlpStep {
            batch: batches.batch as u32,
            steps: batches.index.steps as u32,
            width: first.inputs as u32,
            channel_width: batches.channel_width as u32,
            hidden: first.outputs as u32,
            outputs: second.outputs as u32,
            hidden_weights: hidden.weight_offset as u32,
            hidden_bias: hidden_bias as u32,
            output_weights: output.weight_offset as u32,
            output_bias: output_bias as u32,
            replica_stride: stride as u32,
            activation: first.activation.code(),
            hidden_rate: first.rate_scale,
            output_rate: second.rate_scale,
            ..Default::default()
        };
        Ok(Some(Self { batches, immediates, values: gpu.zeros("layers", values)?, arena: hidden.arena }))
    }

    /// Multiplications and additions of one pass over the weights, and values that go past: bytes of images four to
    /// a value, weights `times` times.
    fn cost(&self, products: usize, times: usize) -> Cost {
        let m = &self.immediates;
        let [width, hidden, outputs] = [m.width, m.hidden, m.outputs].map(|n| n as usize);
        let weights = hidden * (width + outputs);
        let lines = self.batches.replicas * self.batches.batch;
        let values = lines * width / 4 + self.batches.replicas * times * weights;
        Cost { bytes: 4 * values as u64, operations: (2 * products * lines * weights) as u64 }
    }

    /// Images to loss, and with `train` back to the gradient of the hidden layer. Adds to `tallies` `[R, B, 2]`: the
    /// loss, and 1 for a right answer.
    pub fn pass(
        &self,
        gpu: &Gpu,
        arenas: &[Arena],
        schedule: &Schedule,
        tallies: &Buffer,
        train: bool,
    ) -> Result<Dispatch> {
        let Batches { images, scales, index, replicas, batch, .. } = self.batches;
        let immediates = MlpStep { gradient: train.into(), ..self.immediates };
        if train {
            self.check_steps(schedule)?;
        }
        let dispatch = gpu.dispatch(
            &Kernel::new("mlp", "mlp_pass"),
            &immediates,
            &[
                ("index", &index.buffer),
                ("bytes", &images.pixels),
                ("scales", scales),
                ("schedule", &schedule.buffer),
                ("parameters", &arenas[self.arena].buffer),
                ("labels", &images.labels),
                ("values", &self.values),
                ("tallies", tallies),
            ],
            Grid((batch as u32).div_ceil(2), 1, replicas as u32),
        )?;
        Ok(dispatch.with_cost(self.cost(1, 1)))
    }

    /// Forms the gradients of all weights and biases and applies the optimiser.
    pub fn update(&self, gpu: &Gpu, arenas: &[TrainedArena], rule: UpdateRule<'_>) -> Result<Dispatch> {
        let UpdateRule { optimizer, schedule } = rule;
        self.check_steps(schedule)?;
        let Batches { images, scales, index, replicas, .. } = self.batches;
        let m = self.immediates;
        let immediates = MlpStep {
            beta1: optimizer.first_decay(),
            beta2: optimizer.beta2,
            epsilon: optimizer.epsilon,
            weight_decay: optimizer.weight_decay,
            decoupled: optimizer.is_decoupled().into(),
            ..m
        };
        let arena = &arenas[self.arena];
        let adaptive = optimizer.is_adaptive();
        let (kernel, times) = match (adaptive, optimizer.first_decay() != 0.0) {
            (true, _) => (&UPDATES[1], 6),
            (false, true) => (&UPDATES[0], 4),
            // At a rate of zero the gradients are what is asked for.
            (false, false) if optimizer.lr == 0.0 && optimizer.weight_decay == 0.0 => (&UPDATES[3], 1),
            (false, false) if optimizer.lr == 0.0 => (&UPDATES[0], 4),
            (false, false) => (&UPDATES[2], 2),
        };
        let no_moments = gpu.zeros("no second moments", 4)?;
        let second_moments = if adaptive { arena.second_moments()? } else { &no_moments };
        // Ten hidden values by 32 pixels, all outputs by 32 hidden values, 32 biases.
        let groups = m.hidden.div_ceil(TEN as u32) * (m.width / 4).div_ceil(SHARING_LANES)
            + (m.hidden / 4).div_ceil(SHARING_LANES)
            + (m.hidden + m.outputs).div_ceil(4 * SHARING_LANES);
        let dispatch = gpu.dispatch(
            kernel,
            &immediates,
            &[
                ("index", &index.buffer),
                ("bytes", &images.pixels),
                ("scales", scales),
                ("schedule", &schedule.buffer),
                ("parameters4", &arena.parameters.buffer),
                ("first_moments4", &arena.first_moments),
                ("layer_values", &self.values),
                ("second_moments4", second_moments),
            ],
            Grid(groups * SHARING_LANES, 1, replicas as u32),
        )?;
        Ok(dispatch.with_cost(self.cost(1, times)))
    }

    /// Refuses a schedule of another length than the index: one number counts the steps of both.
    fn check_steps(&self, schedule: &Schedule) -> Result<()> {
        if schedule.steps == self.batches.index.steps {
            return Ok(());
        }
        Err(Error::fault("an index and a schedule of different lengths"))
    }
}
