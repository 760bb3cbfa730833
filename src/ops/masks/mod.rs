//! Training of masks over frozen weights: the weights that a network has by its scores, and the optimiser's step on the
//! scores.

mod thresholds;

pub use thresholds::{KeptRule, RankedArena, TensorPart, find_thresholds};

use super::elementwise::{STREAM_LANES, fill};
use super::{Arena, Optimizer, UpdateRule};
use crate::Result;
use crate::gpu::{Buffer, Dispatch, Gpu, Grid, Kernel, immediates};

immediates! {
    struct Draw {
        u32: quads, batch, seed, step;
    }
}

immediates! {
    struct Keep {
        u32: quads, tensors;
    }
}

immediates! {
    struct Signs {
        u32: quads;
    }
}

immediates! {
    struct ScoreStep {
        u32: quads, steps, step;
        f32: beta1, beta2, epsilon, weight_decay;
        u32: decoupled;
    }
}

/// The kernels of a step on scores: for each kind of mask SGD's and Adam's.
pub const STEPS: [[Kernel; 2]; 3] = [
    [Kernel::new("masks", "masks_sgd"), Kernel::new("masks", "masks_adam")],
    [
        Kernel::new("masks", "masks_sgd").tiled(&[("KIND", 1)]),
        Kernel::new("masks", "masks_adam").tiled(&[("KIND", 1)]),
    ],
    [
        Kernel::new("masks", "masks_sgd").tiled(&[("KIND", 2)]),
        Kernel::new("masks", "masks_adam").tiled(&[("KIND", 2)]),
    ],
];

/// What a score decides, and with what.
#[derive(Clone, Copy, Debug)]
pub enum MaskRule<'a> {
    /// A weight is there with the probability sigmoid(score), drawn anew in each step.
    Bernoulli {
        /// Place in the epoch of the first sample of step 0, the number of the epoch, and for each replica the id of the
        /// collaborator whose data it trains on: what is drawn depends on these, the parameter and the seed alone.
        epoch: &'a Buffer,
        /// B
        batch: usize,
        /// The seed.
        seed: u32,
    },
    /// A weight is there where its score is the threshold of its tensor or more.
    Threshold {
        /// `[R, tensors]`
        thresholds: &'a Buffer,
        /// Tensors of the model.
        tensors: usize,
    },
    /// A weight has the sign of its score; that of zero is positive.
    Sign,
}

impl MaskRule<'_> {
    /// The kernels of its step, SGD's and Adam's.
    fn steps(&self) -> &'static [Kernel; 2] {
        match self {
            Self::Bernoulli { .. } => &STEPS[0],
            Self::Threshold { .. } => &STEPS[1],
            Self::Sign => &STEPS[2],
        }
    }
}

/// Frozen weights of an arena, the same for all replicas, and the scores of R replicas, laid out as the arena.
#[derive(Clone, Debug)]
pub struct ScoredArena {
    /// R
    pub replicas: usize,
    /// `[stride]`, zero where there is no parameter.
    frozen: Buffer,
    /// `[stride]`: the place of each parameter among those of the model.
    numbers: Buffer,
    /// `[stride]`: the tensor of each parameter.
    tensors: Buffer,
    /// `[R, stride]`
    pub scores: Arena,
    first_moments: Buffer,
    /// Adam's.
    second_moments: Option<Buffer>,
}

/// What lies in an arena, `[stride]` of each: a frozen weight is zero where there is no parameter.
#[derive(Clone, Copy, Debug)]
pub struct FrozenArena<'a> {
    /// The weights.
    pub weights: &'a [f32],
    /// The place of each among the parameters of the model.
    pub numbers: &'a [u32],
    /// The tensor of each.
    pub tensors: &'a [u32],
}

impl ScoredArena {
    /// Scores of zero for these weights, with the moments that the optimiser needs.
    pub fn new(gpu: &Gpu, frozen: FrozenArena<'_>, replicas: usize, optimizer: &Optimizer) -> Result<Self> {
        let stride = frozen.weights.len();
        let zeros = |label| gpu.zeros(label, replicas * stride);
        Ok(Self {
            replicas,
            frozen: gpu.upload("frozen weights", frozen.weights)?,
            numbers: gpu.upload("numbers of parameters", frozen.numbers)?,
            tensors: gpu.upload("tensors of parameters", frozen.tensors)?,
            scores: Arena { buffer: zeros("scores")?, stride },
            first_moments: zeros("first moments of scores")?,
            second_moments: optimizer.is_adaptive().then(|| zeros("second moments of scores")).transpose()?,
        })
    }

    fn quads(&self) -> u32 {
        (self.scores.stride / 4) as u32
    }

    fn grid(&self) -> Grid {
        Grid(self.quads().min(STREAM_LANES), self.replicas as u32, 1)
    }

    /// Zeroes the moments, as a new optimiser has them.
    pub fn clear_moments(&self, gpu: &Gpu) -> Result<Vec<Dispatch>> {
        let moments = std::iter::once(&self.first_moments).chain(&self.second_moments);
        moments.map(|buffer| fill(gpu, buffer, 0, buffer.len(), 0.0)).collect()
    }

    /// Before a step: `effective`, the parameters of a network, become the frozen weights under the mask.
    pub fn apply(&self, gpu: &Gpu, effective: &Buffer, rule: MaskRule<'_>) -> Result<Dispatch> {
        let quads = self.quads();
        let common = [("frozen", &self.frozen), ("scores", &self.scores.buffer), ("effective", effective)];
        let grid = self.grid();
        let dispatch = match rule {
            MaskRule::Bernoulli { epoch, batch, seed } => {
                let immediates = Draw { quads, batch: batch as u32, seed, step: 0 };
                let [frozen, scores, effective] = common;
                let buffers = [("numbers", &self.numbers), frozen, scores, ("epoch", epoch), effective];
                gpu.dispatch(&Kernel::new("masks", "masks_draw"), &immediates, &buffers, grid)
            }
            MaskRule::Threshold { thresholds, tensors } => {
                let immediates = Keep { quads, tensors: tensors as u32 };
                let [frozen, scores, effective] = common;
                let own = ("tensors", &self.tensors);
                let buffers = [("thresholds", thresholds), frozen, scores, own, effective];
                gpu.dispatch(&Kernel::new("masks", "masks_keep"), &immediates, &buffers, grid)
            }
            MaskRule::Sign => {
                gpu.dispatch(&Kernel::new("masks", "masks_sign"), &Signs { quads }, &common, grid)
            }
        };
        let values = self.replicas * self.scores.stride;
        Ok(dispatch?.with_traffic(2 * values + 2 * self.scores.stride, 0))
    }

    /// After it: the optimiser's step on the scores, from the `gradients` of the effective weights, laid out as these.
    /// A replica without samples in this step rests.
    pub fn step(
        &self,
        gpu: &Gpu,
        gradients: &Buffer,
        rule: MaskRule<'_>,
        update: UpdateRule<'_>,
    ) -> Result<Dispatch> {
        let UpdateRule { optimizer, schedule } = update;
        let immediates = ScoreStep {
            quads: self.quads(),
            steps: schedule.steps as u32,
            step: 0,
            beta1: optimizer.first_decay(),
            beta2: optimizer.beta2,
            epsilon: optimizer.epsilon,
            weight_decay: optimizer.weight_decay,
            decoupled: optimizer.is_decoupled().into(),
        };
        let mut buffers = vec![
            ("slopes", gradients),
            ("frozen", &self.frozen),
            ("schedule", &schedule.buffer),
            ("moved", &self.scores.buffer),
            ("first_moments", &self.first_moments),
        ];
        let [sgd, adam] = rule.steps();
        let kernel = match &self.second_moments {
            Some(second_moments) => {
                buffers.push(("second_moments", second_moments));
                adam
            }
            None => sgd,
        };
        let dispatch = gpu.dispatch(kernel, &immediates, &buffers, self.grid())?;
        let values = self.replicas * self.scores.stride;
        Ok(dispatch.with_traffic(self.scores.stride + values + optimizer.values_moved(values), 0))
    }
}
