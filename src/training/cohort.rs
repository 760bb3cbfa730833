//! R replicas of a classifier that train in the same dispatches; R = 1 is plain training.

use super::batches::Window;
use super::drift::{Drift, Drifting};
use super::step::StepParts;
use super::{ResidentImages, Tally};
use crate::gpu::{Buffer, Dispatch, Gpu};
use crate::model::state::StateFile;
use crate::model::{ClassifierSpec, Network, Optimizer, OptimizerKind, ScheduleWriter};
use crate::ops::gather::SampleIndex;
use crate::{Error, Result};
use std::ops::Range;

/// Steps whose sample numbers lie on the device at a time, of all replicas together. All of them are written for each
/// epoch, which takes longer than short epochs if there are many.
const WINDOW: usize = 4_096;

/// Steps of each replica at least, so that a submit is worth its start.
const FEWEST_STEPS: usize = 128;

/// How large a cohort is.
#[derive(Clone, Copy, Debug)]
pub(super) struct CohortSize {
    /// R
    pub replicas: usize,
    /// B
    pub batch: usize,
}

/// The optimisers of a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepRules {
    /// The network's own.
    pub network: Optimizer,
    /// The one whose rates the schedule has.
    pub schedule: Optimizer,
}

impl StepRules {
    /// The rule whose first moments are the gradient, exact to the bit, and which moves no weight: of a network whose
    /// weights are made of something else, which `schedule` trains.
    pub fn gradient(schedule: Optimizer) -> Self {
        let network = Optimizer { kind: OptimizerKind::Sgd, lr: 0.0, momentum: 0.0, ..Optimizer::default() };
        Self { network, schedule }
    }
}

/// A cohort in training.
#[derive(Debug)]
pub struct Cohort {
    gpu: Gpu,
    /// The replicas.
    pub network: Network,
    batch: usize,
    index: SampleIndex,
    writer: ScheduleWriter,
    tallies: Buffer,
    tallied: Vec<usize>,
    step: Vec<Dispatch>,
    /// The optimiser's own rate, where something was ever added to steps, and the steps with that.
    drifting: Option<(f32, Drifting)>,
    images: ResidentImages,
    /// A step that only evaluates, once it was asked for.
    look: Option<Vec<Dispatch>>,
    epoch: u32,
    /// Whose data each replica trains on.
    owners: Vec<u32>,
    /// Place in the epoch of the first sample of a window, the number of the epoch, and the owners.
    epoch_state: Buffer,
}

impl Cohort {
    /// Makes everything that a training step needs; after this, steps allocate nothing.
    pub fn new(
        gpu: &Gpu,
        spec: &ClassifierSpec,
        images: &ResidentImages,
        replicas: usize,
        batch: usize,
        optimizer: Optimizer,
    ) -> Result<Self> {
        let rules = StepRules { network: optimizer, schedule: optimizer };
        let size = CohortSize { replicas, batch };
        Ok(Self::with_step(gpu, spec, images, size, rules, |_, _, _, step| Ok((step, ())))?.0)
    }

    /// The same with more in every step: `around` is given the network, the schedule, what random changes depend on (the
    /// place in the epoch, the epoch and the owners) and the dispatches that train it, and gives the step with whatever
    /// belongs to it. The schedule may be another optimiser's than the network's own.
    pub(super) fn with_step<T>(
        gpu: &Gpu,
        spec: &ClassifierSpec,
        images: &ResidentImages,
        CohortSize { replicas, batch }: CohortSize,
        rules: StepRules,
        around: impl FnOnce(&Network, &ScheduleWriter, &Buffer, Vec<Dispatch>) -> Result<(Vec<Dispatch>, T)>,
    ) -> Result<(Self, T)> {
        let inputs: usize = spec.input.iter().product();
        if inputs != images.width {
            return Err(Error::setting(
                "data",
                format!("its images have {} values, and {} takes {inputs}", images.width, spec.name),
                "choose a data set and a model that fit each other",
            ));
        }
        // A batch larger than the data set is the data set; more places would only take memory.
        let batch = batch.clamp(1, images.len.max(1));
        let network = Network::new(gpu, &spec.network(), replicas, Some(&rules.network))?;
        // One window's sample numbers and schedule have to fit one binding each.
        let fitting = (gpu.max_binding_bytes() / (replicas * batch.max(4) * 4) as u64) as usize;
        let steps = (WINDOW / replicas).max(FEWEST_STEPS).min(fitting).max(1);
        let index = SampleIndex { buffer: gpu.zeros("sample index", replicas * steps * batch)?, steps };
        let writer = ScheduleWriter::new(gpu, rules.schedule, replicas, steps)?;
        let tallies = gpu.zeros("tallies", replicas * batch * 2)?;
        let epoch_state = gpu.zeros("epoch", 2 + replicas)?;
        let schedule = &writer.schedule;
        let parts =
            StepParts { images, index: &index, batch, epoch: &epoch_state, schedule, tallies: &tallies };
        let (step, around) =
            around(&network, &writer, &epoch_state, parts.dispatches(gpu, &network, Some(&rules.network))?)?;
        let tallied = vec![0; replicas];
        let cohort = Self {
            gpu: gpu.clone(),
            network,
            batch,
            index,
            writer,
            tallies,
            tallied,
            step,
            drifting: None,
            images: images.clone(),
            look: None,
            epoch: 0,
            owners: vec![0; replicas],
            epoch_state,
        };
        Ok((cohort, around))
    }

    /// R
    pub fn replicas(&self) -> usize {
        self.network.replicas()
    }

    /// Samples that a replica sees in a step.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Lets every step begin with these.
    pub(super) fn begin_steps_with(&mut self, dispatches: Vec<Dispatch>) {
        self.step = [dispatches, std::mem::take(&mut self.step)].concat();
    }

    /// What random changes depend on: the place in the epoch of the first sample of step 0, and more.
    pub(super) fn epoch_state(&self) -> &Buffer {
        &self.epoch_state
    }

    /// How many steps an epoch over the longest of these orders takes.
    pub fn steps(&self, orders: &[Vec<u32>]) -> usize {
        orders.iter().map(|order| order.len().div_ceil(self.batch)).max().unwrap_or(0)
    }

    /// Sets the number of the epoch that the following steps belong to: images are changed differently in each.
    /// `owners` are the ids of those whose data each replica trains on, and are filled up with zeros.
    pub fn begin_epoch(&mut self, number: u64, owners: &[u32]) {
        self.epoch = number as u32;
        self.owners.fill(0);
        self.owners[..owners.len()].copy_from_slice(owners);
    }

    /// Trains for `steps` of the epoch in which replica `r` sees the samples `orders[r]` in that order. A
    /// replica with fewer samples rests when it has seen them.
    pub fn train(
        &mut self,
        orders: &[Vec<u32>],
        steps: Range<usize>,
        progress: &mut dyn FnMut(u32),
    ) -> Result<()> {
        self.walk(orders, steps, true, progress)
    }

    /// Loss and accuracy of each replica on the samples `orders[r]`, as an epoch that trains on them in this order sees
    /// them. Weights, moments and counted steps stay as they are.
    pub fn measure(&mut self, orders: &[Vec<u32>], progress: &mut dyn FnMut(u32)) -> Result<Vec<Tally>> {
        if self.look.is_none() {
            let parts = StepParts {
                images: &self.images,
                index: &self.index,
                batch: self.batch,
                epoch: &self.epoch_state,
                schedule: &self.writer.schedule,
                tallies: &self.tallies,
            };
            self.look = Some(parts.dispatches(&self.gpu, &self.network, None)?);
        }
        let steps = self.steps(orders);
        self.walk(orders, 0..steps, false, progress)?;
        self.take_tallies()
    }

    /// Goes through the orders, and trains or only looks.
    fn walk(
        &mut self,
        orders: &[Vec<u32>],
        steps: Range<usize>,
        trains: bool,
        progress: &mut dyn FnMut(u32),
    ) -> Result<()> {
        assert_eq!(orders.len(), self.replicas(), "one order for each replica");
        let (batch, room) = (self.batch, self.index.steps);
        let mut first = steps.start;
        while first < steps.end {
            let count = room.min(steps.end - first);
            let window = Window { batch, first, count, room };
            self.gpu.write(&self.index.buffer, 0, &window.numbers(orders, &mut self.tallied));
            self.gpu.write(
                &self.epoch_state,
                0,
                &[&[(first * batch) as u32, self.epoch], &self.owners[..]].concat(),
            );
            let dispatches = match (&self.look, &self.drifting) {
                // What only looks reads no schedule.
                (Some(look), _) if !trains => look,
                (_, drifting) => {
                    self.writer
                        .write(&self.gpu, count, |replica, step| window.of(&orders[replica], step).len());
                    match drifting {
                        Some((_, drifting)) if drifting.is_on => &drifting.step,
                        _ => &self.step,
                    }
                }
            };
            self.gpu.run_steps(dispatches, 0..count as u32, progress)?;
            first += count;
        }
        Ok(())
    }

    /// Loss and accuracy of each replica on the samples that it trained on since the last call.
    pub fn take_tallies(&mut self) -> Result<Vec<Tally>> {
        let values: Vec<f32> = self.gpu.read(&self.tallies)?;
        self.gpu.write(&self.tallies, 0, &vec![0f32; values.len()]);
        let tallies = Tally::of(&values, &self.tallied);
        self.tallied.fill(0);
        Ok(tallies)
    }

    /// Starts every replica from the same parameters with a new optimiser, as a round does.
    pub fn restart_from(&mut self, flat: &[f32]) -> Result<()> {
        self.network.parameters.write_all(&self.gpu, flat);
        self.renew()
    }

    /// Starts each of the first replicas from parameters of its own with a new optimiser.
    pub fn restart_each(&mut self, flats: &[Vec<f32>]) -> Result<()> {
        for (replica, flat) in flats.iter().enumerate() {
            self.network.parameters.write(&self.gpu, replica, flat);
        }
        self.renew()
    }

    /// Starts every replica from the same parameters with a new optimiser, and until the next start adds to every step
    /// of each of the first replicas what is given for it. Exact for SGD without momentum. The first time takes memory
    /// for it.
    pub fn restart_with(&mut self, flat: &[f32], drifts: &[Drift]) -> Result<()> {
        self.restart_from(flat)?;
        let (gpu, parameters) = (&self.gpu, &self.network.parameters);
        let (rate, mut drifting) = match self.drifting.take() {
            Some(drifting) => drifting,
            None => {
                let rule = self.writer.rule();
                (rule.optimizer.lr, Drifting::new(gpu, parameters, rule.schedule, &self.step)?)
            }
        };
        let common = drifting.turn_on(gpu, parameters, flat, drifts)?;
        self.writer.set_rate(common.rate(rate));
        self.drifting = Some((rate, drifting));
        Ok(())
    }

    /// A new optimiser, and nothing added to its steps.
    fn renew(&mut self) -> Result<()> {
        if let Some((rate, drifting)) = &mut self.drifting
            && drifting.is_on
        {
            drifting.is_on = false;
            self.writer.set_rate(*rate);
        }
        // SGD without momentum looks at none.
        if self.writer.rule().optimizer.first_decay() != 0.0 {
            self.network.clear_moments(&self.gpu)?;
        }
        self.writer.restart();
        Ok(())
    }

    /// Starts the schedule again, as a new optimiser of this rate does.
    pub(super) fn restart_schedule(&mut self, rate: f32) {
        self.writer.restart();
        self.writer.set_rate(rate);
    }

    /// Steps that each replica has taken: with the network's [`put_state`](Network::put_state), the state between two
    /// epochs.
    pub fn taken(&self) -> &[u64] {
        self.writer.taken()
    }

    /// Goes on with a training of the same cohort.
    pub fn resume(&mut self, file: &StateFile, taken: &[u64]) -> Result<()> {
        if taken.len() != self.replicas() {
            let problem = format!("it counts the steps of {} models of {}", taken.len(), self.replicas());
            return Err(file.damaged(problem));
        }
        self.network.take_state(&self.gpu, file)?;
        self.writer.resume(taken);
        Ok(())
    }

    /// The parameters of each replica in `state_dict` order.
    pub fn parameters(&self) -> Result<Vec<Vec<f32>>> {
        self.network.parameters.read(&self.gpu)
    }
}
