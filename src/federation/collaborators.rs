//! The collaborators' side: local training, as many at a time as the device holds.

use crate::Result;
use crate::data::{derive_seed, epoch_order};
use crate::gpu::Gpu;
use crate::model::{ClassifierSpec, Optimizer};
use crate::training::{Cohort, ResidentImages, SnapshotEvery, Snapshots, Tally, train_epoch};

/// All collaborators of a federation.
#[derive(Debug)]
pub struct Collaborators<'g> {
    cohort: Cohort<'g>,
    /// The sample numbers of each collaborator's data.
    shares: Vec<Vec<u32>>,
    seed: u64,
    model: String,
}

/// What a collaborator brings home from local training.
#[derive(Clone, Debug)]
pub struct Trained {
    /// Its weights in `state_dict` order.
    pub weights: Vec<f32>,
    /// Its loss and accuracy on its own data over the last epoch.
    pub tally: Tally,
    /// What it logged on the way.
    pub snapshots: Snapshots,
}

/// What is to be done locally.
#[derive(Clone, Copy, Debug)]
pub struct LocalWork {
    /// Epochs to train.
    pub epochs: u64,
    /// Number of the first of them, which picks the order of the images.
    pub first_epoch: u64,
    /// When to log snapshots.
    pub snapshots: Option<SnapshotEvery>,
}

impl<'g> Collaborators<'g> {
    /// `shares` are the sample numbers of each one's data.
    pub fn new(
        gpu: &'g Gpu,
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
        Ok(Self { cohort, shares, seed: u64::from(seed), model: spec.name.clone() })
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
        let groups = self.shares.chunks(self.cohort.replicas());
        groups.map(|group| self.cohort.steps(group) as u64).sum::<u64>() * epochs
    }

    /// Every collaborator trains from `global` with a new optimiser on its own data.
    pub fn train(
        &mut self,
        global: &[f32],
        work: LocalWork,
        progress: &mut dyn FnMut(u32),
    ) -> Result<Vec<Trained>> {
        let together = self.cohort.replicas();
        let mut trained = Vec::with_capacity(self.shares.len());
        for first in (0..self.shares.len()).step_by(together) {
            let group = first..(first + together).min(self.shares.len());
            let mut snapshots = vec![Snapshots::new(&self.model); group.len()];
            self.cohort.restart_from(global)?;
            let mut tallies = Vec::new();
            let mut steps = 0;
            for epoch in 0..work.epochs {
                // Places of the cohort beyond the last collaborator have no images and rest.
                let orders: Vec<Vec<u32>> = (first..first + together)
                    .map(|c| {
                        self.shares.get(c).map_or(Vec::new(), |s| self.order(c, s, work.first_epoch + epoch))
                    })
                    .collect();
                self.cohort.begin_epoch(work.first_epoch + epoch);
                let done = (steps, epoch);
                train_epoch(&mut self.cohort, &orders, work.snapshots, done, &mut snapshots, progress)?;
                steps += self.cohort.steps(&orders) as u64;
                tallies = self.cohort.take_tallies()?;
            }
            let weights = self.cohort.parameters()?;
            let each = weights.into_iter().zip(tallies).zip(snapshots);
            trained.extend(each.map(|((weights, tally), snapshots)| Trained { weights, tally, snapshots }));
        }
        Ok(trained)
    }

    /// A collaborator's own images in the order of this epoch.
    fn order(&self, collaborator: usize, share: &[u32], epoch: u64) -> Vec<u32> {
        let seed = derive_seed(self.seed, collaborator as u64);
        epoch_order(share.len(), seed, epoch, true).into_iter().map(|place| share[place as usize]).collect()
    }
}
