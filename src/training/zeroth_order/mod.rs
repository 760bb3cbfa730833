//! R replicas of a classifier that train without gradients: a step draws a direction for each, passes the batch forward
//! twice, with weights a little ahead and a little behind along it, and goes along it by what the loss differs (MeZO,
//! Malladi et al. 2023, arXiv 2305.17333). What a replica has learned are the slopes along its directions.
//!
//! A step is two dispatches more than its two passes forward; of two dense layers along random signs it is two in all, in
//! one of which both sides are tried. The slope never leaves the device within an epoch: the dispatch that begins the next
//! step forms it and goes along it.

mod replay;

pub use replay::{Family, replay};

use super::batches::Window;
use super::step::StepParts;
use super::{ResidentImages, Tally};
use crate::gpu::{Buffer, Dispatch, Gpu};
use crate::model::{ClassifierSpec, Network};
use crate::ops::directions::{DirectionKind, DrawnStep, Probe, ProbeSettings, SlopeForm, Stretch};
use crate::ops::gather::SampleIndex;
use crate::ops::{Arena, Schedule};
use crate::{Error, Result};

/// Steps whose sample numbers and directions lie on the device at a time.
const WINDOW: usize = 4_096;

/// How replicas train.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ZerothOrderSettings {
    /// Images per step.
    pub batch: usize,
    /// How far ahead and behind weights are tried.
    pub reach: f32,
    /// A step is this times the slope, downhill.
    pub rate: f32,
    /// The values of directions.
    pub directions: DirectionKind,
    /// How slopes are kept and gone along.
    pub slopes: SlopeForm,
    /// Slopes of a replica that are recorded: directions have numbers below this.
    pub slots: usize,
}

/// The direction of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// Of the family of directions.
    pub key: [u32; 2],
    /// The direction's number in the family, and that of its slope in the record.
    pub number: u32,
}

/// The dispatches of a step.
struct StepPlan {
    /// The weights that steps go from, where these are not the network's own.
    bases: Vec<Arena>,
    /// Those that end the step before and begin this one.
    begin: Vec<Dispatch>,
    rest: Vec<Dispatch>,
}

/// A step whose passes forward are one after the other, of any network.
fn one_side_at_a_time(
    gpu: &Gpu,
    parts: &StepParts<'_>,
    network: &Network,
    probe: &Probe,
) -> Result<StepPlan> {
    let arenas = &network.parameters.arenas;
    let base = |arena: &Arena| {
        let values = network.replicas() * arena.stride;
        Ok(Arena { buffer: gpu.zeros("base", values)?, stride: arena.stride })
    };
    let bases = arenas.iter().map(base).collect::<Result<Vec<_>>>()?;
    let [ahead, behind] = parts.forward_twice(gpu, network, &probe.behind)?;
    let (mut begin, mut turn) = (Vec::new(), Vec::new());
    for (place, run) in network.parameters.runs()?.into_iter().enumerate() {
        let (base, tried) = (&bases[run.arena], &arenas[run.arena]);
        let stretch = Stretch { first: run.first, offset: run.offset, count: run.count };
        begin.push(probe.step(gpu, base, tried, stretch, place == 0)?);
        turn.push(probe.turn(gpu, base, tried, stretch, place == 0)?);
    }
    Ok(StepPlan { bases, begin, rest: [ahead, turn, behind].concat() })
}

/// A cohort in training.
#[derive(Debug)]
pub struct ZerothOrderCohort {
    gpu: Gpu,
    /// The weights that are tried, or those that steps go from where both sides are tried at once.
    network: Network,
    /// The weights that steps go from, an arena for each of the network's; none where these are the network's own.
    bases: Vec<Arena>,
    probe: Probe,
    batch: usize,
    index: SampleIndex,
    epoch_state: Buffer,
    tallied: Vec<usize>,
    step: Vec<Dispatch>,
    /// The dispatches that begin a step: behind the last one they finish that.
    begin: Vec<Dispatch>,
    slots: usize,
}

impl ZerothOrderCohort {
    /// Makes everything that a step needs; after this, steps allocate nothing.
    pub fn new(
        gpu: &Gpu,
        spec: &ClassifierSpec,
        images: &ResidentImages,
        replicas: usize,
        settings: ZerothOrderSettings,
    ) -> Result<Self> {
        let inputs: usize = spec.input.iter().product();
        if inputs != images.width {
            return Err(Error::setting(
                "data",
                format!("its images have {} values, and {} takes {inputs}", images.width, spec.name),
                "choose a data set and a model that fit each other",
            ));
        }
        let batch = settings.batch.clamp(1, images.len.max(1));
        let network = Network::new(gpu, &spec.network(), replicas, None)?;
        let fitting = (gpu.max_binding_bytes() / (replicas * batch.max(4) * 4) as u64) as usize;
        // Draws have two lines more than there are steps.
        let steps = WINDOW.min(fitting.saturating_sub(2)).max(1);
        let index = SampleIndex { buffer: gpu.zeros("sample index", replicas * steps * batch)?, steps };
        let epoch_state = gpu.zeros("epoch", 2 + replicas)?;
        let ZerothOrderSettings { reach, rate, directions: kind, slopes, slots, .. } = settings;
        let probe =
            Probe::new(gpu, ProbeSettings { kind, slopes, reach, rate, replicas, batch, steps, slots })?;
        // What only passes forward reads no schedule.
        let schedule = Schedule { buffer: gpu.zeros("schedule", 4)?, steps };
        let parts = StepParts {
            images,
            index: &index,
            batch,
            epoch: &epoch_state,
            schedule: &schedule,
            tallies: &probe.ahead,
        };
        let StepPlan { bases, begin, rest } = match parts.both_sides(gpu, &network, &probe)? {
            Some(both) => StepPlan { bases: Vec::new(), begin: vec![both.walk], rest: vec![both.pass] },
            None => one_side_at_a_time(gpu, &parts, &network, &probe)?,
        };
        let step = [begin.clone(), rest].concat();
        let tallied = vec![0; replicas];
        let gpu = gpu.clone();
        Ok(Self { gpu, network, bases, probe, batch, index, epoch_state, tallied, step, begin, slots })
    }

    /// R
    pub fn replicas(&self) -> usize {
        self.network.replicas()
    }

    /// Samples that a replica sees in a step.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Starts every replica from the same weights, with a record of zeros.
    pub fn restart_from(&mut self, flat: &[f32]) {
        let laid_out = self.network.parameters.laid_out(flat);
        for arenas in [&self.bases, &self.network.parameters.arenas] {
            for (arena, values) in arenas.iter().zip(&laid_out) {
                for replica in 0..self.replicas() {
                    self.gpu.write(&arena.buffer, replica * arena.stride, values);
                }
            }
        }
        self.gpu.write(&self.probe.record, 0, &vec![0f32; self.replicas() * self.slots]);
    }

    /// Trains an epoch in which replica `r`, whose data are `owners[r]`'s, sees the samples `orders[r]` in that order.
    /// `draw(r, s)` gives the direction of its step `s` of the epoch. A replica with fewer samples rests when it has seen
    /// them. Gives what each came to on its samples, ahead along the directions.
    pub fn epoch(
        &mut self,
        number: u64,
        owners: &[u32],
        mut orders: Vec<Vec<u32>>,
        draw: &dyn Fn(usize, usize) -> Drawn,
        progress: &mut dyn FnMut(u32),
    ) -> Result<Vec<Tally>> {
        orders.resize(self.replicas(), Vec::new());
        let steps = orders.iter().map(|order| order.len().div_ceil(self.batch)).max().unwrap_or(0);
        let mut whose = vec![0; self.replicas()];
        whose[..owners.len()].copy_from_slice(owners);
        for first in (0..steps).step_by(self.index.steps) {
            let count = self.index.steps.min(steps - first);
            let window = Window { batch: self.batch, first, count, room: self.index.steps };
            self.gpu.write(&self.index.buffer, 0, &window.numbers(&orders, &mut self.tallied));
            let place = [(first * self.batch) as u32, number as u32];
            self.gpu.write(&self.epoch_state, 0, &[&place, &whose[..]].concat());
            self.probe.write_draws(&self.gpu, count, |replica, step| {
                let samples = window.of(&orders[replica], step).len();
                let Drawn { key, number } =
                    if samples > 0 { draw(replica, first + step) } else { Drawn { key: [0; 2], number: 0 } };
                DrawnStep { key, number, samples }
            });
            self.gpu.run_steps(&self.step, 0..count as u32, progress)?;
            self.gpu.run_steps(&self.begin, count as u32..count as u32 + 1, &mut |_| ())?;
        }
        let totals: Vec<f32> = self.gpu.read(&self.probe.totals)?;
        self.gpu.write(&self.probe.totals, 0, &vec![0f32; totals.len()]);
        let mut tallies = Tally::of(&totals, &self.tallied);
        self.tallied.fill(0);
        tallies.truncate(owners.len());
        Ok(tallies)
    }

    /// For each replica the sums of slopes along the directions of each number, `[R][slots]`, since it was started.
    pub fn slopes(&self) -> Result<Vec<Vec<f32>>> {
        let all: Vec<f32> = self.gpu.read(&self.probe.record)?;
        Ok(all.chunks_exact(self.slots.max(1)).map(<[f32]>::to_vec).collect())
    }

    /// The weights of each replica in `state_dict` order.
    pub fn weights(&self) -> Result<Vec<Vec<f32>>> {
        // Behind an epoch what is tried too is where steps go on from.
        self.network.parameters.read(&self.gpu)
    }
}
