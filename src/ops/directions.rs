//! Weights moved along random directions: training without gradients, and replaying numbers to weights.
//!
//! A direction is drawn by counters from a key, its number and the places of weights in `state_dict` order; see
//! shaders/directions.wgsl.

use super::Arena;
use super::elementwise::STREAM_LANES;
use crate::gpu::{Buffer, Dispatch, Gpu, Grid, Kernel, immediates};
use crate::{Error, Result};

immediates! {
    struct Step {
        u32: first, offset, count, stride, first_block, end_block, batch, lines, step, slots;
        f32: reach, rate, unit;
    }
}
immediates! {
    struct Turn {
        u32: first, offset, count, stride, first_block, end_block, batch, lines, step, losses;
        f32: reach;
    }
}
immediates! {
    struct Replay {
        u32: first, offset, count, stride, first_block, end_block, families, fours, first_family, end_family,
             first_four, end_four;
    }
}

/// Weights that lie in turn: a block's quads are as many quads apart as there are blocks in a turn.
const WEIGHTS_OF_A_TURN: usize = 2048;
const BLOCKS_OF_A_TURN: usize = 64;

/// Blocks that a lane of a processor takes at least, where there are so many.
const BLOCKS_OF_A_LANE: u32 = 8;

/// Fours of directions that a lane adds up in one dispatch: below the rounds after which some devices leave a loop.
const MOST_FOURS: usize = 4096;

/// The values of a direction. Both have mean 0 and deviation 1, and the same bits on every device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DirectionKind {
    /// Signs: one hash has 128 of them.
    #[default]
    Rademacher,
    /// `(bits set among 32 - 16) / sqrt(8)`: nearly normal, with a kurtosis of 2.94 in place of 3. A hash has four.
    Normal,
}

/// How slopes are kept and gone along.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum SlopeForm {
    /// As they are.
    #[default]
    Exact,
    /// The nearest number that a byte (E4M3) times this unit can say.
    Byte(f32),
}

/// The kernels that differ from those in the file.
pub const VARIANTS: [Kernel; 9] = [
    STEP.tiled(&[("NORMAL", 1)]),
    STEP.tiled(&[("BYTE", 1)]),
    STEP.tiled(&[("NORMAL", 1), ("BYTE", 1)]),
    STEP_QUADS.tiled(&[("NORMAL", 1)]),
    STEP_QUADS.tiled(&[("BYTE", 1)]),
    STEP_QUADS.tiled(&[("NORMAL", 1), ("BYTE", 1)]),
    TURN.tiled(&[("NORMAL", 1)]),
    TURN_QUADS.tiled(&[("NORMAL", 1)]),
    REPLAY.tiled(&[("NORMAL", 1)]),
];

const STEP: Kernel = Kernel::new("directions", "directions_step");
const STEP_QUADS: Kernel = Kernel::new("directions", "directions_step_quads");
const TURN: Kernel = Kernel::new("directions", "directions_turn");
const TURN_QUADS: Kernel = Kernel::new("directions", "directions_turn_quads");
const REPLAY: Kernel = Kernel::new("directions", "directions_replay");

/// Weights that are neighbours in `state_dict` order and on the device.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    /// The place of the first of them in `state_dict` order.
    pub first: usize,
    /// Its place among those of a replica on the device.
    pub offset: usize,
    /// How many.
    pub count: usize,
}

impl Stretch {
    /// Blocks that have weights of it, and one behind them.
    pub(super) fn blocks(&self) -> [u32; 2] {
        let turns = [self.first / WEIGHTS_OF_A_TURN, (self.first + self.count).div_ceil(WEIGHTS_OF_A_TURN)];
        turns.map(|turn| (turn * BLOCKS_OF_A_TURN) as u32)
    }

    /// Whether its quads are those of memory, so that kernels can take them whole.
    fn has_quads(&self) -> bool {
        self.first.is_multiple_of(4) && self.offset.is_multiple_of(4)
    }

    /// Lanes that share its blocks in a step: on a processor fewer, since each forms the slope for itself.
    pub(super) fn lanes(&self, gpu: &Gpu) -> u32 {
        let [first, end] = self.blocks();
        let lanes = if gpu.class().is_cpu() { (end - first).div_ceil(BLOCKS_OF_A_LANE) } else { end - first };
        lanes.min(STREAM_LANES)
    }
}

/// The direction of a replica's step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawnStep {
    /// Of the family of directions.
    pub key: [u32; 2],
    /// The direction's number in its family, and that of its slope in the record.
    pub number: u32,
    /// Samples of the step; a replica without any rests.
    pub samples: usize,
}

/// What steps along directions have in common.
#[derive(Clone, Copy, Debug)]
pub struct ProbeSettings {
    /// The values of directions.
    pub kind: DirectionKind,
    /// How slopes are kept and gone along.
    pub slopes: SlopeForm,
    /// How far ahead and behind weights are tried.
    pub reach: f32,
    /// The step is this times the slope, downhill.
    pub rate: f32,
    /// R
    pub replicas: usize,
    /// B
    pub batch: usize,
    /// Steps whose draws lie on the device at a time.
    pub steps: usize,
    /// Slopes of a replica that are recorded.
    pub slots: usize,
}

/// The memory of steps along directions, beside the weights.
#[derive(Debug)]
pub struct Probe {
    pub(super) settings: ProbeSettings,
    pub(super) draws: Buffer,
    /// `[R, B]`: losses ahead; of passes that try both sides at once, less those behind.
    pub(super) put_aside: Buffer,
    /// `[R, B, 2]`: what the pass ahead adds its losses and right answers to.
    pub ahead: Buffer,
    /// `[R, B, 2]`: the same of the pass behind.
    pub behind: Buffer,
    /// `[R, B, 2]`: losses and right answers of all passes ahead.
    pub totals: Buffer,
    /// `[R, slots]`: sums of slopes along each direction.
    pub record: Buffer,
}

impl Probe {
    /// Takes the memory, zeroed.
    pub fn new(gpu: &Gpu, settings: ProbeSettings) -> Result<Self> {
        let ProbeSettings { replicas, batch, steps, slots, .. } = settings;
        let tallies = |label| gpu.zeros(label, replicas * batch * 2);
        Ok(Self {
            settings,
            draws: gpu.zeros("draws of directions", replicas * (steps + 2) * 4)?,
            put_aside: gpu.zeros("losses ahead", replicas * batch)?,
            ahead: tallies("tallies ahead")?,
            behind: tallies("tallies behind")?,
            totals: tallies("tallies")?,
            record: gpu.zeros("slopes", replicas * slots)?,
        })
    }

    /// Writes the directions of the next `steps` steps. Step number `steps` then finishes the last of them.
    pub fn write_draws(&self, gpu: &Gpu, steps: usize, draw: impl Fn(usize, usize) -> DrawnStep) {
        let ProbeSettings { replicas, reach, .. } = self.settings;
        let lines = self.settings.steps + 2;
        // What lies behind the last step of the last replica is not looked at.
        let mut entries = vec![[0u32; 4]; (replicas - 1) * lines + steps + 2];
        for replica in 0..replicas {
            for step in 0..steps {
                let DrawnStep { key, number, samples } = draw(replica, step);
                if samples > 0 {
                    let part = 1.0 / (2.0 * reach * samples as f32);
                    entries[replica * lines + step + 1] = [key[0], key[1], number, part.to_bits()];
                }
            }
        }
        gpu.write(&self.draws, 0, &entries);
    }

    /// Finishes the step before, and begins the next one: `base` goes along the last direction, and `tried`, laid out
    /// alike, is ahead of it along the next one. One stretch of all `records` slopes.
    pub fn step(
        &self,
        gpu: &Gpu,
        base: &Arena,
        tried: &Arena,
        stretch: Stretch,
        records: bool,
    ) -> Result<Dispatch> {
        let ProbeSettings { kind, slopes, reach, rate, replicas, batch, steps, slots } = self.settings;
        let [first_block, end_block] = stretch.blocks();
        let immediates = Step {
            first: stretch.first as u32,
            offset: stretch.offset as u32,
            count: stretch.count as u32,
            stride: base.stride as u32,
            first_block,
            end_block,
            batch: batch as u32,
            lines: (steps + 2) as u32,
            step: 0,
            slots: if records { slots as u32 } else { 0 },
            reach,
            rate: -rate,
            unit: if let SlopeForm::Byte(unit) = slopes { unit } else { 1.0 },
        };
        let has_quads = stretch.has_quads();
        let quads = if has_quads { 3 } else { 0 };
        let kernel = match (kind, slopes) {
            (DirectionKind::Rademacher, SlopeForm::Exact) if has_quads => STEP_QUADS,
            (DirectionKind::Rademacher, SlopeForm::Exact) => STEP,
            (DirectionKind::Normal, SlopeForm::Exact) => VARIANTS[quads],
            (DirectionKind::Rademacher, SlopeForm::Byte(_)) => VARIANTS[quads + 1],
            (DirectionKind::Normal, SlopeForm::Byte(_)) => VARIANTS[quads + 2],
        };
        let names = if has_quads { ["base4", "tried4"] } else { ["base", "tried"] };
        let buffers = [
            ("draws", &self.draws),
            ("ahead_losses", &self.put_aside),
            ("losses_behind", &self.behind),
            (names[0], &base.buffer),
            (names[1], &tried.buffer),
            ("record", &self.record),
        ];
        let grid = Grid(stretch.lanes(gpu), replicas as u32, 1);
        let dispatch = gpu.dispatch(&kernel, &immediates, &buffers, grid)?;
        Ok(dispatch.with_traffic(3 * replicas * stretch.count, 0))
    }

    /// Between the two passes of a step: `tried` is behind `base` in place of ahead. One stretch of all puts the
    /// `losses` of the pass ahead aside.
    pub fn turn(
        &self,
        gpu: &Gpu,
        base: &Arena,
        tried: &Arena,
        stretch: Stretch,
        losses: bool,
    ) -> Result<Dispatch> {
        let ProbeSettings { kind, reach, replicas, batch, steps, .. } = self.settings;
        let [first_block, end_block] = stretch.blocks();
        let immediates = Turn {
            first: stretch.first as u32,
            offset: stretch.offset as u32,
            count: stretch.count as u32,
            stride: base.stride as u32,
            first_block,
            end_block,
            batch: batch as u32,
            lines: (steps + 2) as u32,
            step: 0,
            losses: losses.into(),
            reach,
        };
        let has_quads = stretch.has_quads();
        let kernel = match kind {
            DirectionKind::Rademacher if has_quads => TURN_QUADS,
            DirectionKind::Rademacher => TURN,
            DirectionKind::Normal => VARIANTS[if has_quads { 7 } else { 6 }],
        };
        let names = if has_quads { ["kept_base4", "tried4"] } else { ["kept_base", "tried"] };
        let buffers = [
            ("draws", &self.draws),
            (names[0], &base.buffer),
            ("tallies_ahead", &self.ahead),
            ("tallies_behind", &self.behind),
            (names[1], &tried.buffer),
            ("put_aside", &self.put_aside),
            ("totals", &self.totals),
        ];
        let grid = Grid(stretch.lanes(gpu), replicas as u32, 1);
        let dispatch = gpu.dispatch(&kernel, &immediates, &buffers, grid)?;
        Ok(dispatch.with_traffic(2 * replicas * stretch.count, 0))
    }
}

/// What is gone along each direction of some families, on the device.
#[derive(Debug)]
pub struct Factors {
    keys: Buffer,
    factors: Buffer,
    replicas: usize,
    families: usize,
    fours: usize,
}

impl Factors {
    /// Of R replicas: `[R][families][directions]`, by the numbers of directions from zero, in families with these keys.
    /// Lines may differ in length. Errors where they do not fit one binding.
    pub fn upload(gpu: &Gpu, keys: &[[u32; 2]], factors: &[Vec<&[f32]>]) -> Result<Self> {
        let (replicas, families) = (factors.len(), keys.len());
        if factors.iter().any(|own| own.len() != families) {
            return Err(Error::fault("factors of other families of directions than there are keys"));
        }
        let longest = factors.iter().flatten().map(|line| line.len()).max().unwrap_or(0);
        let fours = longest.div_ceil(4).max(1);
        let mut values = vec![0f32; replicas * families * fours * 4];
        for (padded, line) in values.chunks_exact_mut(fours * 4).zip(factors.iter().flatten()) {
            padded[..line.len()].copy_from_slice(line);
        }
        let keys = gpu.upload("keys of directions", keys)?;
        Ok(Self { keys, factors: gpu.upload("factors", &values)?, replicas, families, fours })
    }

    /// Adds to the weights of each replica what its factors come to along their directions, in the order of families and
    /// numbers: in one dispatch, or several where there are more directions than a lane can add up in one.
    pub fn replay(
        &self,
        gpu: &Gpu,
        kind: DirectionKind,
        weights: &Arena,
        stretch: Stretch,
    ) -> Result<Vec<Dispatch>> {
        let together = (MOST_FOURS / self.fours).max(1);
        let mut dispatches = Vec::new();
        for first_family in (0..self.families).step_by(together) {
            for first_four in (0..self.fours).step_by(MOST_FOURS) {
                let [first_block, end_block] = stretch.blocks();
                let immediates = Replay {
                    first: stretch.first as u32,
                    offset: stretch.offset as u32,
                    count: stretch.count as u32,
                    stride: weights.stride as u32,
                    first_block,
                    end_block,
                    families: self.families as u32,
                    fours: self.fours as u32,
                    first_family: first_family as u32,
                    end_family: (first_family + together).min(self.families) as u32,
                    first_four: first_four as u32,
                    end_four: (first_four + MOST_FOURS).min(self.fours) as u32,
                };
                let kernel = match kind {
                    DirectionKind::Rademacher => REPLAY,
                    DirectionKind::Normal => VARIANTS[8],
                };
                let buffers =
                    [("keys", &self.keys), ("factors", &self.factors), ("weights", &weights.buffer)];
                let grid = Grid(end_block - first_block, self.replicas as u32, 1);
                let dispatch = gpu.dispatch(&kernel, &immediates, &buffers, grid)?;
                dispatches.push(dispatch.with_traffic(2 * self.replicas * stretch.count, 0));
            }
        }
        Ok(dispatches)
    }
}
