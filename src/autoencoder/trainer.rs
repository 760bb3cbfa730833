//! Training R autoencoders at a time on snapshots that lie on the device.

use super::{AutoencoderSettings, CurvePoint, SnapshotBatch, Standard, Training};
use crate::Result;
use crate::data::epoch_order;
use crate::gpu::{Buffer, Dispatch, Gpu, RowRange, Tensor};
use crate::model::state::StateFile;
use crate::model::{Network, ReconstructionLoss, ScheduleWriter, StepPlan, Workspace};
use crate::ops::gather::{self, NOTHING, SampleIndex};
use crate::ops::loss::{self, ErrorTallies, Targets};

/// Steps whose snapshot numbers lie on the device at a time.
const WINDOW: usize = 64;

/// How well one collaborator's snapshots come back.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reconstruction {
    /// Mean squared error of the standardised values.
    pub loss: f64,
    /// Error relative to what the mean of the training snapshots leaves: 1 is "learned nothing else".
    pub relative_l2: f64,
    /// Part of the snapshots whose largest weight is where it was (the paper's "accuracy").
    pub argmax_match: f64,
}

/// Autoencoders in training, one for each collaborator.
#[derive(Debug)]
pub struct Trainer {
    gpu: Gpu,
    settings: AutoencoderSettings,
    seed: u32,
    network: Network,
    standards: Vec<Standard>,
    writer: ScheduleWriter,
    train: Pass,
    held_out: Option<Pass>,
    plan: StepPlan,
    batch: usize,
    steps_per_epoch: usize,
    index: SampleIndex,
    /// Whether batches are gathered by the index.
    gathers: bool,
    tallies: ErrorTallies,
    epoch: u64,
    steps: u64,
}

/// A forward pass over a set of snapshots, for measuring.
#[derive(Debug)]
pub(super) struct Pass {
    data: SnapshotBatch,
    workspace: Workspace,
    tallies: ErrorTallies,
    /// What gathers each part of the snapshots; nothing where they are taken all at once, as they lie.
    parts: Vec<Vec<Dispatch>>,
    dispatches: Vec<Dispatch>,
    /// Where each snapshot's largest weight is, `[R * S]`.
    largest: Vec<usize>,
    /// What turns outputs back into weights.
    standards: Vec<Standard>,
}

impl Trainer {
    /// Untrained ones.
    pub fn new(gpu: &Gpu, training: &Training<'_>) -> Result<Self> {
        let &Training { spec, settings, seed, train, held_out } = training;
        let replicas = train.len();
        let longest = |all: &[Vec<&[f32]>]| all.iter().map(|rows| rows.len()).max().unwrap_or(0);
        let most = longest(train);
        // All snapshots of a set are looked at together.
        let lines = most.max(longest(held_out));
        let (layers, optimizer) = (spec.network(), Some(&settings.optimizer));
        let network = Network::for_lines(gpu, &layers, replicas, optimizer, lines)?;
        network.parameters.initialize(gpu, seed, true)?;
        let batch = settings.batch.unwrap_or(most).min(most).max(1);
        let ranges = network.input_ranges(gpu, lines);
        let (data, centers) = SnapshotBatch::fit(gpu, train, &ranges)?;
        let standards: Vec<_> = centers.iter().map(Standard::from).collect();
        let steps_per_epoch = most.div_ceil(batch);
        // Whole epochs whose snapshot numbers lie on the device at a time.
        let fitting = gpu.max_binding_bytes() as usize / (4 * replicas * steps_per_epoch * batch).max(1);
        let steps = steps_per_epoch * (WINDOW / steps_per_epoch).min(fitting).max(1);
        let writer = ScheduleWriter::new(gpu, settings.optimizer, replicas, steps)?;
        let index = SampleIndex { buffer: gpu.zeros("snapshot index", replicas * steps * batch)?, steps };
        // A full batch is the data as it lies; a smaller one is gathered, and so is one of lines that are cut
        // for a network that takes whole ones.
        let whole = network.takes_whole_lines();
        let full = batch == most && !(whole && ranges.len() > 1);
        let lines = if whole { vec![RowRange { start: 0, len: spec.inputs() }] } else { ranges.clone() };
        let mut gather = Vec::new();
        let (input, labels) = if full {
            (data.values.clone(), data.labels.clone())
        } else {
            let input = Tensor::zeros_cut(gpu, "batch", replicas, batch, &lines)?;
            let labels = gpu.zeros("batch labels", replicas * batch)?;
            gather.extend(gather::rows(gpu, &data.values, &index, &labels, &input)?);
            (input, labels)
        };
        let workspace = network.reconstruction_workspace(gpu, batch, Some(input))?;
        let tallies = ErrorTallies::new(gpu, workspace.output())?;
        let loss = ReconstructionLoss { labels: &labels, tallies: &tallies, same_batch: full };
        let mut plan = network.reconstruction_step(gpu, &workspace, writer.rule(), &loss)?;
        plan.step.splice(0..0, gather);
        let of = |data, rows, spare| PassOf { data, rows, batch, spare, standards: &standards };
        // Between steps the gradient of the outputs is not needed: outputs that are only looked at lie there.
        let train_of = of(data, train, workspace.output_gradient());
        let train_pass = Pass::new(gpu, &network, &writer, train_of)?;
        let held_out_pass = if held_out.iter().any(|rows| !rows.is_empty()) {
            let data = SnapshotBatch::standardized(gpu, held_out, &ranges, &centers)?;
            let held_out_of = of(data, held_out, Some(train_pass.workspace.output()));
            Some(Pass::new(gpu, &network, &writer, held_out_of)?)
        } else {
            None
        };
        Ok(Self {
            gpu: gpu.clone(),
            settings: settings.clone(),
            seed,
            network,
            standards,
            writer,
            train: train_pass,
            held_out: held_out_pass,
            plan,
            batch,
            steps_per_epoch,
            index,
            gathers: !full,
            tallies,
            epoch: 0,
            steps: 0,
        })
    }

    /// How they are trained.
    pub fn settings(&self) -> &AutoencoderSettings {
        &self.settings
    }

    /// The networks.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Means and scales of each collaborator.
    pub fn standards(&self) -> &[Standard] {
        &self.standards
    }

    /// Epochs trained so far.
    pub fn epochs(&self) -> u64 {
        self.epoch
    }

    /// Steps that each replica has taken: what training goes on from later where losses have been taken,
    /// with the network's [`put_state`](Network::put_state).
    pub fn taken(&self) -> &[u64] {
        self.writer.taken()
    }

    /// Goes on with the same training after so many epochs. Errors where the state is not one of it.
    pub fn resume(&mut self, file: &StateFile, taken: &[u64], epochs: u64) -> Result<()> {
        file.resumed(self.network.take_state(&self.gpu, file))?;
        let own = self.train.data.counts.iter().map(|count| count.div_ceil(self.batch) as u64);
        if !taken.iter().copied().eq(own.map(|steps| steps * epochs)) {
            return Err(file.damaged(format!("{taken:?} steps are not those of {epochs} epochs")));
        }
        self.writer.resume(taken);
        (self.epoch, self.steps) = (epochs, epochs * self.steps_per_epoch as u64);
        Ok(())
    }

    /// Trains for `epochs` epochs without looking at anything in between.
    pub fn train(&mut self, epochs: usize, progress: &mut dyn FnMut(u32)) -> Result<()> {
        let (batch, window) = (self.batch, self.index.steps);
        let steps = self.steps_per_epoch;
        let counts = &self.train.data.counts;
        let mut left = epochs;
        self.gpu.run(&self.plan.prologue)?;
        while left > 0 {
            let now = left.min(window / steps);
            let mut numbers = vec![NOTHING; counts.len() * window * batch];
            for epoch in 0..now {
                for (replica, &count) in counts.iter().enumerate() {
                    let seed = u64::from(self.seed);
                    let order = epoch_order(count, seed, self.epoch + epoch as u64, steps > 1);
                    numbers[(replica * window + epoch * steps) * batch..][..count].copy_from_slice(&order);
                }
            }
            if self.gathers {
                self.gpu.write(&self.index.buffer, 0, &numbers);
            }
            self.writer.write(&self.gpu, now * steps, |replica, step| {
                counts[replica].saturating_sub(step % steps * batch).min(batch)
            });
            let mut done = 0;
            self.gpu.run_steps(&self.plan.step, 0..(now * steps) as u32, &mut |count| {
                let before = done / steps as u32;
                done += count;
                progress(done / steps as u32 - before);
            })?;
            self.epoch += now as u64;
            self.steps += (now * steps) as u64;
            left -= now;
        }
        Ok(())
    }

    /// Mean training loss of each collaborator over the `epochs` epochs since the last call.
    pub fn take_losses(&mut self, epochs: usize) -> Result<Vec<f64>> {
        let sums = self.tallies.take(&self.gpu)?;
        let values = epochs as f64 * self.train.data.values.width as f64;
        let counts = &self.train.data.counts;
        Ok(sums
            .chunks_exact(self.batch)
            .zip(counts)
            .map(|(s, n)| s.iter().sum::<f64>() / (values * *n as f64))
            .collect())
    }

    /// How well each collaborator's training snapshots come back now.
    pub fn measure_train(&self) -> Result<Vec<Reconstruction>> {
        self.train.measure(&self.gpu)
    }

    /// How well each collaborator's held-out snapshots come back now.
    pub fn measure_held_out(&self) -> Result<Option<Vec<Reconstruction>>> {
        self.held_out.as_ref().map(|pass| pass.measure(&self.gpu)).transpose()
    }

    /// How far each collaborator's autoencoder is, `epochs` epochs after the last look and `seconds` seconds into the
    /// training.
    pub fn look(&mut self, epochs: usize, seconds: f64) -> Result<Vec<CurvePoint>> {
        let losses = self.take_losses(epochs)?;
        let (train, held_out) = (self.measure_train()?, self.measure_held_out()?);
        let each = losses.iter().zip(&train).enumerate().map(|(replica, (&loss, measured))| {
            let held_out = held_out.as_ref().map(|all| all[replica]);
            CurvePoint {
                epoch: self.epoch,
                loss,
                validation_loss: held_out.map(|m| m.loss),
                relative_l2: measured.relative_l2,
                validation_relative_l2: held_out.map(|m| m.relative_l2),
                argmax_match: Some(measured.argmax_match),
                validation_argmax_match: held_out.map(|m| m.argmax_match),
                steps: self.steps,
                seconds,
            }
        });
        Ok(each.collect())
    }
}

/// What a pass goes over.
pub(super) struct PassOf<'a> {
    /// The snapshots on the device.
    pub data: SnapshotBatch,
    /// The same on the host.
    pub rows: &'a [Vec<&'a [f32]>],
    /// How many of them a network that takes whole lines sees at a time; others see all at once.
    pub batch: usize,
    /// Where outputs may lie.
    pub spare: Option<&'a Tensor>,
    /// What turns outputs back into weights.
    pub standards: &'a [Standard],
}

impl Pass {
    pub(super) fn new(gpu: &Gpu, network: &Network, writer: &ScheduleWriter, of: PassOf<'_>) -> Result<Self> {
        let PassOf { data, rows, batch, spare: spare_outputs, standards } = of;
        let (replicas, most) = (data.values.replicas, data.values.batch);
        let cut = data.values.shards.len() > 1;
        let (input, labels, parts) = if !(network.takes_whole_lines() && (cut || batch < most)) {
            (data.values.clone(), data.labels.clone(), vec![Vec::new()])
        } else {
            let batch = batch.min(most);
            let line = RowRange { start: 0, len: data.values.width };
            let input = Tensor::zeros_cut(gpu, "part", replicas, batch, &[line])?;
            let labels = gpu.zeros("labels of the part", replicas * batch)?;
            let mut parts = Vec::new();
            for first in (0..most).step_by(batch) {
                let numbers: Vec<u32> = data
                    .counts
                    .iter()
                    .flat_map(|&count| (first..first + batch).map(move |place| (place, count)))
                    .map(|(place, count)| if place < count { place as u32 } else { NOTHING })
                    .collect();
                let index = SampleIndex { buffer: gpu.upload("part index", &numbers)?, steps: 1 };
                parts.push(gather::rows(gpu, &data.values, &index, &labels, &input)?);
            }
            (input, labels, parts)
        };
        let outputs = spare_outputs.and_then(|spare| spare.reused(input.batch, &input.ranges()));
        let workspace = network.forward_workspace(gpu, input, outputs)?;
        let tallies = ErrorTallies::new(gpu, workspace.output())?;
        let mut dispatches = network.forward(gpu, &workspace)?;
        let targets = Targets { values: workspace.input(), labels: &labels, schedule: &writer.schedule };
        let outputs = network.outputs_of(&workspace);
        dispatches.extend(loss::mean_squared_error(gpu, outputs, targets, None, &tallies, &spare(gpu)?)?);
        // A rehearsal has no use for it.
        let looked_at = if gpu.is_rehearsal() { &[] } else { rows };
        let largest = looked_at
            .iter()
            .flat_map(|rows| {
                let found = rows.iter().map(|row| argmax(row.iter().copied()));
                let empty = most - rows.len();
                found.chain(std::iter::repeat_n(0, empty)).collect::<Vec<_>>()
            })
            .collect();
        let standards = standards.to_vec();
        Ok(Self { data, workspace, tallies, parts, dispatches, largest, standards })
    }

    pub(super) fn data(&self) -> &SnapshotBatch {
        &self.data
    }

    pub(super) fn measure(&self, gpu: &Gpu) -> Result<Vec<Reconstruction>> {
        let (batch, width) = (self.data.values.batch, self.data.values.width);
        let (replicas, lines) = (self.data.values.replicas, self.workspace.output().batch);
        let mut hits = vec![0; self.data.counts.len()];
        for (part, gathers) in self.parts.iter().enumerate() {
            gpu.run(gathers)?;
            gpu.run(&self.dispatches)?;
            // The largest weight of each line so far, and where it is.
            let mut found = vec![(f32::NEG_INFINITY, 0); replicas * lines];
            self.workspace.output().read_blocks(gpu, |line, first, values| {
                for (column, weight) in (first..).zip(self.standards[line / lines].restore(first, values)) {
                    if weight > found[line].0 {
                        found[line] = (weight, column);
                    }
                }
            })?;
            for (line, (_, largest)) in found.into_iter().enumerate() {
                let (replica, place) = (line / lines, part * lines + line % lines);
                if place < self.data.counts[replica] {
                    hits[replica] += usize::from(self.largest.get(replica * batch + place) == Some(&largest));
                }
            }
        }
        let errors = self.tallies.take(gpu)?;
        let per_replica = errors.chunks_exact(lines).zip(&self.data.counts).zip(&self.data.sums_of_squares);
        Ok(per_replica
            .zip(hits)
            .map(|(((errors, &count), &spread), hits)| {
                let error: f64 = errors.iter().sum();
                Reconstruction {
                    loss: error / (count * width) as f64,
                    relative_l2: if spread > 0.0 { (error / spread).sqrt() } else { 0.0 },
                    argmax_match: hits as f64 / count.max(1) as f64,
                }
            })
            .collect())
    }
}

/// A buffer for bindings that a kernel leaves alone.
fn spare(gpu: &Gpu) -> Result<Buffer> {
    gpu.zeros("spare", 4)
}

/// The first place of the largest value.
pub(crate) fn argmax(values: impl Iterator<Item = f32>) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (place, value) in values.enumerate() {
        if value > best.1 {
            best = (place, value);
        }
    }
    best.0
}
