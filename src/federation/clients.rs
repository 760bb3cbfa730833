//! The collaborators' side: local training, as many at a time as the device holds.

use super::results::LocalEpoch;
use super::test_sets::TestSets;
use crate::Result;
use crate::data::{derive_seed, epoch_order};
use crate::gpu::Gpu;
use crate::model::state::{StateFile, StateWriter, TensorShape};
use crate::model::{ClassifierSpec, Optimizer, WeightsOf};
use crate::training::{Cohort, ResidentImages, SnapshotEvery, Snapshots, Tally, train_epoch};
use std::ops::Range;

/// All collaborators of a federation.
#[derive(Debug)]
pub struct Clients {
    cohort: Cohort,
    /// The sample numbers of each collaborator's data.
    shares: Vec<Vec<u32>>,
    seed: u64,
    model: WeightsOf,
}

/// What a collaborator brings home from local training.
#[derive(Clone, Debug)]
pub struct Trained {
    /// Its weights in `state_dict` order.
    pub weights: Vec<f32>,
    /// How it came there.
    pub epochs: Vec<LocalEpoch>,
    /// What it logged on the way.
    pub snapshots: Snapshots,
}

/// What is to be done locally.
#[derive(Clone, Copy, Debug)]
pub struct LocalWork<'a> {
    /// Epochs to train.
    pub epochs: u64,
    /// Number of the first of them, which picks the order of the images.
    pub first_epoch: u64,
    /// When to log snapshots.
    pub snapshots: Option<SnapshotEvery>,
    /// Tests every collaborator after each epoch, where that is wanted.
    pub tests: Option<&'a TestSets>,
}

impl Clients {
    /// `shares` are the sample numbers of each one's data.
    pub fn new(
        gpu: &Gpu,
        spec: &ClassifierSpec,
        images: &ResidentImages,
        shares: Vec<Vec<usize>>,
        (batch, optimizer, seed): (usize, Optimizer, u32),
    ) -> Result<Self> {
        let widest = spec.widest();
        // A batch larger than everybody's share is that share.
        let largest = shares.iter().map(Vec::len).max().unwrap_or(1).max(1);
        let batch = batch.clamp(1, largest);
        let fitting = gpu.max_binding_bytes() as usize / (4 * batch * widest);
        let together = shares.len().min(fitting).max(1);
        let cohort = Cohort::new(gpu, spec, images, together, batch, optimizer)?;
        let shares = shares.into_iter().map(|s| s.into_iter().map(|n| n as u32).collect()).collect();
        Ok(Self { cohort, shares, seed: u64::from(seed), model: spec.into() })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.shares.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.shares.is_empty()
    }

    /// How many images each one has.
    pub fn samples(&self) -> Vec<usize> {
        self.shares.iter().map(Vec::len).collect()
    }

    /// Weights to begin with, the same for all.
    pub fn initial_weights(&self, gpu: &Gpu, seed: u32) -> Result<Vec<f32>> {
        self.cohort.network.parameters.initialize(gpu, seed, true)?;
        Ok(self.cohort.parameters()?.swap_remove(0))
    }

    /// Steps that `epochs` epochs take, all groups together.
    pub fn steps(&self, epochs: u64) -> u64 {
        self.steps_before(self.len()) * epochs
    }

    /// Steps of an epoch of the groups before collaborator `first`.
    pub fn steps_before(&self, first: usize) -> u64 {
        let groups = (0..first).step_by(self.cohort.replicas());
        groups.map(|first| self.steps_of(&self.group(first))).sum()
    }

    /// Every collaborator trains from `global` with a new optimiser on its own data.
    pub fn train(
        &mut self,
        global: &[f32],
        work: LocalWork<'_>,
        progress: &mut dyn FnMut(u32),
    ) -> Result<Vec<Trained>> {
        let mut trained = Vec::with_capacity(self.shares.len());
        let mut first = 0;
        while first < self.len() {
            let group = self.group(first);
            let mut snapshots = vec![Snapshots::new(self.model.clone()); group.len()];
            let mut epochs = vec![Vec::new(); group.len()];
            let mut steps = 0;
            self.restart_from(global)?;
            for epoch in 0..work.epochs {
                let done = (steps, epoch);
                let number = work.first_epoch + epoch;
                let tallies = self.epoch(&group, number, done, work.snapshots, &mut snapshots, progress)?;
                steps += self.steps_of(&group);
                let tested = match work.tests {
                    None => None,
                    Some(tests) => Some(tests.local(first, &self.weights(&group)?)?),
                };
                for (place, (tally, into)) in tallies.iter().zip(&mut epochs).enumerate() {
                    let tested = tested.as_ref().map(|tallies| tallies[place]);
                    into.push(LocalEpoch {
                        collaborator: (first + place) as u32,
                        epoch: number + 1,
                        train_loss: tally.loss,
                        train_accuracy: tally.accuracy,
                        test_loss: tested.map(|t| t.loss),
                        test_accuracy: tested.map(|t| t.accuracy),
                    });
                }
            }
            first = group.end;
            let each = self.weights(&group)?.into_iter().zip(epochs).zip(snapshots);
            trained.extend(each.map(|((weights, epochs), snapshots)| Trained { weights, epochs, snapshots }));
        }
        Ok(trained)
    }

    /// The collaborators from `first` on that train in the same dispatches.
    pub fn group(&self, first: usize) -> Range<usize> {
        first..(first + self.cohort.replicas()).min(self.len())
    }

    /// The next group starts from `global` with a new optimiser.
    pub fn restart_from(&mut self, global: &[f32]) -> Result<()> {
        self.cohort.restart_from(global)
    }

    /// A group trains the epoch of this number. `done` are the steps and epochs that it has trained before.
    pub fn epoch(
        &mut self,
        group: &Range<usize>,
        number: u64,
        done: (u64, u64),
        every: Option<SnapshotEvery>,
        into: &mut [Snapshots],
        progress: &mut dyn FnMut(u32),
    ) -> Result<Vec<Tally>> {
        // Places of the cohort beyond the last collaborator have no images and rest.
        let orders: Vec<Vec<u32>> = (group.start..group.start + self.cohort.replicas())
            .map(|c| self.shares.get(c).map_or(Vec::new(), |share| self.order(c, share, number)))
            .collect();
        self.cohort.begin_epoch(number);
        train_epoch(&mut self.cohort, &orders, every, done.0, done.1, into, progress)?;
        let mut tallies = self.cohort.take_tallies()?;
        tallies.truncate(group.len());
        Ok(tallies)
    }

    /// Steps of an epoch of a group.
    pub fn steps_of(&self, group: &Range<usize>) -> u64 {
        self.cohort.steps(&self.shares[group.clone()]) as u64
    }

    /// The weights of a group that has trained.
    fn weights(&self, group: &Range<usize>) -> Result<Vec<Vec<f32>>> {
        let mut weights = self.cohort.parameters()?;
        weights.truncate(group.len());
        Ok(weights)
    }

    /// The tensors of a group's training, for going on with it between two epochs.
    pub fn state_shapes(&self) -> Vec<TensorShape> {
        self.cohort.network.state_shapes()
    }

    /// Puts them into a file.
    pub fn put_state(&self, gpu: &Gpu, file: &mut StateWriter) -> Result<()> {
        self.cohort.network.put_state(gpu, file)
    }

    /// Steps that each of the group has taken, which belongs to its state.
    pub fn taken(&self) -> &[u64] {
        self.cohort.taken()
    }

    /// Goes on with the training of a group.
    pub fn resume(&mut self, file: &StateFile, taken: &[u64]) -> Result<()> {
        self.cohort.resume(file, taken)
    }

    /// Snapshots of each collaborator, none yet.
    pub fn no_snapshots(&self) -> Vec<Snapshots> {
        vec![Snapshots::new(self.model.clone()); self.len()]
    }

    /// A collaborator's own images in the order of this epoch.
    fn order(&self, collaborator: usize, share: &[u32], epoch: u64) -> Vec<u32> {
        let seed = derive_seed(self.seed, collaborator as u64);
        epoch_order(share.len(), seed, epoch, true).into_iter().map(|place| share[place as usize]).collect()
    }
}
