//! The collaborators' side: local training, a cohort of fixed width at a time.

use super::results::LocalEpoch;
use super::spec::SimulationSpec;
use super::test_sets::TestSets;
use crate::Result;
use crate::codec::{LocalData, OrderOf};
use crate::data::{derive_seed, epoch_order};
use crate::gpu::Gpu;
use crate::model::state::{StateFile, StateWriter, TensorShape};
use crate::model::{ClassifierSpec, Optimizer, WeightsOf};
use crate::training::{
    Cohort, CohortEpoch, Drift, ResidentImages, SnapshotEvery, Snapshots, Tally, train_epoch,
};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// All collaborators of a federation. A collaborator is its id; which place it has in a cohort matters nowhere else.
#[derive(Debug)]
pub struct Clients {
    cohort: Cohort,
    spec: ClassifierSpec,
    images: ResidentImages,
    /// The sample numbers of each collaborator's data, by id.
    shares: BTreeMap<u32, Vec<u32>>,
    seed: u64,
    model: WeightsOf,
}

/// How collaborators train.
#[derive(Clone, Copy, Debug)]
pub struct LocalSettings {
    /// Images per step.
    pub batch: usize,
    /// How they learn.
    pub optimizer: Optimizer,
    /// Seed of the order of images.
    pub seed: u32,
    /// How many train side by side at most.
    pub cohort: usize,
}

impl LocalSettings {
    /// As a simulation says.
    pub fn of(spec: &SimulationSpec) -> Self {
        let cohort = spec.cohort.unwrap_or(usize::MAX).min(spec.per_round());
        Self { batch: spec.batch, optimizer: spec.optimizer, seed: spec.seed, cohort }
    }
}

/// What a collaborator's local training came to.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The collaborator.
    pub who: u32,
    /// Its weights in `state_dict` order.
    pub weights: Vec<f32>,
    /// Its epochs.
    pub epochs: Vec<LocalEpoch>,
    /// Steps that it took.
    pub steps: u64,
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
    /// What each of them begins with, where that is not the global model.
    pub starts: Option<&'a [Vec<f32>]>,
    /// What is added to the steps of each of them, where something is.
    pub drifts: &'a [Drift],
    /// Tests every collaborator after each epoch, where that is wanted.
    pub tests: Option<&'a TestSets>,
}

/// Local training of one collaborator from a model of its own.
#[derive(Clone, Copy, Debug)]
pub struct OwnWork<'a> {
    /// The collaborator.
    pub who: u32,
    /// What it begins with, `[P]`.
    pub start: &'a [f32],
    /// Number of its first epoch, which picks the order of the images.
    pub first_epoch: u64,
    /// Steps; the last epoch ends with the last of them.
    pub steps: u64,
}

impl Clients {
    /// `shares` are the sample numbers of each one's data; ids are given in their order.
    pub fn new(
        gpu: &Gpu,
        spec: &ClassifierSpec,
        images: &ResidentImages,
        shares: Vec<Vec<usize>>,
        settings: LocalSettings,
    ) -> Result<Self> {
        // A batch larger than the largest share is that share.
        let largest = shares.iter().map(Vec::len).max().unwrap_or(1).max(1);
        let batch = settings.batch.clamp(1, largest);
        let fitting = gpu.max_binding_bytes() as usize / (4 * batch * spec.widest());
        let width = shares.len().min(settings.cohort).min(fitting).max(1);
        let cohort = Cohort::new(gpu, spec, images, width, batch, settings.optimizer)?;
        let numbers = |share: Vec<usize>| share.into_iter().map(|number| number as u32).collect();
        let shares = (0..).zip(shares.into_iter().map(numbers)).collect();
        let (model, images) = (spec.into(), images.clone());
        Ok(Self { cohort, spec: spec.clone(), images, shares, seed: u64::from(settings.seed), model })
    }

    /// All ids, in order.
    pub fn ids(&self) -> Vec<u32> {
        self.shares.keys().copied().collect()
    }

    /// How many images each has, in the order of ids.
    pub fn all_samples(&self) -> Vec<usize> {
        self.shares.values().map(Vec::len).collect()
    }

    /// How many images a collaborator has.
    pub fn samples(&self, who: u32) -> usize {
        self.share(who).len()
    }

    fn share(&self, who: u32) -> &[u32] {
        self.shares.get(&who).map_or(&[], Vec::as_slice)
    }

    /// Weights to begin with, the same for all.
    pub fn initial_weights(&self, gpu: &Gpu, seed: u32) -> Result<Vec<f32>> {
        self.cohort.network.parameters.initialize(gpu, seed, true)?;
        Ok(self.cohort.parameters()?.swap_remove(0))
    }

    /// What codec stages train with, who tell `progress` of their steps.
    pub fn local_data<'a>(
        &'a self,
        order: &'a OrderOf<'a>,
        progress: &'a mut dyn FnMut(u32),
    ) -> LocalData<'a> {
        LocalData {
            spec: &self.spec,
            images: &self.images,
            batch: self.cohort.batch(),
            largest_share: self.shares.values().map(Vec::len).max().unwrap_or(0),
            most_together: self.cohort.replicas(),
            order,
            progress: RefCell::new(progress),
        }
    }

    /// The cohorts that these collaborators train in, one after the other.
    pub fn cohorts(&self, who: &[u32]) -> Vec<Vec<u32>> {
        who.chunks(self.cohort.replicas()).map(<[u32]>::to_vec).collect()
    }

    /// Steps of an epoch of these collaborators, all cohorts together.
    pub fn steps(&self, who: &[u32]) -> u64 {
        self.cohorts(who).iter().map(|cohort| self.steps_of(cohort)).sum()
    }

    /// Steps of an epoch of a cohort.
    pub fn steps_of(&self, cohort: &[u32]) -> u64 {
        let longest = cohort.iter().map(|&who| self.samples(who)).max().unwrap_or(0);
        longest.div_ceil(self.cohort.batch()) as u64
    }

    /// The loss of what each collaborator begins `work` with on its own images, as its first epoch sees them. Nothing is
    /// trained.
    pub fn losses(
        &mut self,
        who: &[u32],
        global: &[f32],
        work: &LocalWork<'_>,
        progress: &mut dyn FnMut(u32),
    ) -> Result<Vec<f64>> {
        let mut losses = Vec::with_capacity(who.len());
        for cohort in self.cohorts(who) {
            match work.starts {
                None => self.restart_from(global)?,
                Some(starts) => self.cohort.restart_each(&starts[losses.len()..][..cohort.len()])?,
            }
            let orders = self.orders(&cohort, work.first_epoch);
            self.cohort.begin_epoch(work.first_epoch, &cohort);
            let tallies = self.cohort.measure(&orders, progress)?;
            losses.extend(tallies.iter().take(cohort.len()).map(|tally| tally.loss));
        }
        Ok(losses)
    }

    /// Collaborators train from `global` with a new optimiser, each on its own data.
    pub fn train(
        &mut self,
        who: &[u32],
        global: &[f32],
        work: LocalWork<'_>,
        progress: &mut dyn FnMut(u32),
    ) -> Result<Vec<Trained>> {
        let mut trained = Vec::with_capacity(who.len());
        for cohort in self.cohorts(who) {
            let mut snapshots = vec![Snapshots::new(self.model.clone()); cohort.len()];
            let mut epochs = vec![Vec::new(); cohort.len()];
            match work.starts {
                None if work.drifts.is_empty() => self.restart_from(global)?,
                None => self.cohort.restart_with(global, &work.drifts[trained.len()..][..cohort.len()])?,
                Some(starts) => self.cohort.restart_each(&starts[trained.len()..][..cohort.len()])?,
            }
            for epoch in 0..work.epochs {
                let number = work.first_epoch + epoch;
                let owners = &cohort;
                let now = CohortEpoch { number, owners, epochs_before: epoch, snapshots: work.snapshots };
                let tallies = self.epoch(now, &mut snapshots, progress)?;
                let tested = match work.tests {
                    None => None,
                    Some(tests) => Some(tests.local(&cohort, &self.weights(&cohort)?)?),
                };
                for (place, (tally, into)) in tallies.iter().zip(&mut epochs).enumerate() {
                    let tested = tested.as_ref().map(|tallies| tallies[place]);
                    into.push(LocalEpoch {
                        collaborator: cohort[place],
                        epoch: number + 1,
                        train_loss: tally.loss,
                        train_accuracy: tally.accuracy,
                        test_loss: tested.map(|t| t.loss),
                        test_accuracy: tested.map(|t| t.accuracy),
                    });
                }
            }
            let weights = self.weights(&cohort)?;
            let each = cohort.iter().zip(weights).zip(epochs).zip(snapshots);
            trained.extend(each.map(|(((&who, weights), epochs), snapshots)| Trained {
                who,
                weights,
                epochs,
                steps: work.epochs * self.steps_of(&[who]),
                snapshots,
            }));
        }
        Ok(trained)
    }

    /// Collaborators train, each from a model of its own and for as many steps as it is given. What one comes to does not
    /// depend on the others.
    pub fn train_each(
        &mut self,
        work: &[OwnWork<'_>],
        progress: &mut dyn FnMut(u32),
    ) -> Result<Vec<Trained>> {
        let mut trained = Vec::with_capacity(work.len());
        // The changes of images go by the number of the epoch, which is one for a cohort.
        let (is_changed, width) = (self.images.is_changed(), self.cohort.replicas());
        let alike = work.chunk_by(|a, b| !is_changed || a.first_epoch == b.first_epoch);
        for together in alike.flat_map(|alike| alike.chunks(width)) {
            trained.extend(self.train_together(together, progress)?);
        }
        Ok(trained)
    }

    /// The same of as many as fit a cohort.
    fn train_together(
        &mut self,
        work: &[OwnWork<'_>],
        progress: &mut dyn FnMut(u32),
    ) -> Result<Vec<Trained>> {
        let owners: Vec<u32> = work.iter().map(|own| own.who).collect();
        let starts: Vec<_> = work.iter().map(|own| own.start.to_vec()).collect();
        let of_epoch: Vec<u64> = owners.iter().map(|&who| self.steps_of(&[who]).max(1)).collect();
        let longest = work.iter().zip(&of_epoch).map(|(own, &steps)| own.steps.div_ceil(steps)).max();
        let first = work.first().map_or(0, |own| own.first_epoch);
        let mut epochs = vec![Vec::new(); work.len()];
        self.cohort.restart_each(&starts)?;
        for epoch in 0..longest.unwrap_or(0) {
            let orders = work.iter().zip(&of_epoch).map(|(own, &steps)| {
                let left = own.steps.saturating_sub(epoch * steps).min(steps);
                let mut order =
                    if left == 0 { Vec::new() } else { self.order(own.who, own.first_epoch + epoch) };
                order.truncate(left as usize * self.cohort.batch());
                order
            });
            let orders = orders.chain(std::iter::repeat(Vec::new())).take(self.cohort.replicas());
            let orders: Vec<_> = orders.collect();
            let now =
                CohortEpoch { number: first + epoch, owners: &owners, epochs_before: epoch, snapshots: None };
            let tallies = train_epoch(&mut self.cohort, &orders, now, &mut [], progress)?;
            let each = tallies.iter().zip(&orders).zip(work).zip(&mut epochs);
            for (((tally, _), own), into) in each.filter(|(((_, order), _), _)| !order.is_empty()) {
                into.push(LocalEpoch {
                    collaborator: own.who,
                    epoch: own.first_epoch + epoch + 1,
                    train_loss: tally.loss,
                    train_accuracy: tally.accuracy,
                    test_loss: None,
                    test_accuracy: None,
                });
            }
        }
        let weights = self.weights(&owners)?;
        let each = work.iter().zip(weights).zip(epochs);
        let trained = each.map(|((own, weights), epochs)| Trained {
            who: own.who,
            weights,
            epochs,
            steps: own.steps,
            snapshots: Snapshots::new(self.model.clone()),
        });
        Ok(trained.collect())
    }

    /// The next cohort starts from `global` with a new optimiser.
    pub fn restart_from(&mut self, global: &[f32]) -> Result<()> {
        self.cohort.restart_from(global)
    }

    /// The cohort of the epoch's owners trains it.
    pub fn epoch(
        &mut self,
        epoch: CohortEpoch<'_>,
        into: &mut [Snapshots],
        progress: &mut dyn FnMut(u32),
    ) -> Result<Vec<Tally>> {
        let orders = self.orders(epoch.owners, epoch.number);
        let mut tallies = train_epoch(&mut self.cohort, &orders, epoch, into, progress)?;
        tallies.truncate(epoch.owners.len());
        Ok(tallies)
    }

    /// The orders of an epoch. Places of the cohort beyond the last collaborator have no images and rest.
    fn orders(&self, cohort: &[u32], epoch: u64) -> Vec<Vec<u32>> {
        let orders = cohort.iter().map(|&who| self.order(who, epoch));
        orders.chain(std::iter::repeat(Vec::new())).take(self.cohort.replicas()).collect()
    }

    /// The weights of a cohort that has trained.
    fn weights(&self, cohort: &[u32]) -> Result<Vec<Vec<f32>>> {
        let mut weights = self.cohort.parameters()?;
        weights.truncate(cohort.len());
        Ok(weights)
    }

    /// The tensors of a cohort's training, for going on with it between two epochs.
    pub fn state_shapes(&self) -> Vec<TensorShape> {
        self.cohort.network.state_shapes()
    }

    /// Puts them into a file.
    pub fn put_state(&self, gpu: &Gpu, file: &mut StateWriter) -> Result<()> {
        self.cohort.network.put_state(gpu, file)
    }

    /// Steps that each of the cohort has taken, which belongs to its state.
    pub fn taken(&self) -> &[u64] {
        self.cohort.taken()
    }

    /// Goes on with the training of a cohort.
    pub fn resume(&mut self, file: &StateFile, taken: &[u64]) -> Result<()> {
        self.cohort.resume(file, taken)
    }

    /// Snapshots of each of so many collaborators, none yet.
    pub fn no_snapshots(&self, of: usize) -> Vec<Snapshots> {
        vec![Snapshots::new(self.model.clone()); of]
    }

    /// A collaborator's own images in the order of this epoch.
    pub fn order(&self, who: u32, epoch: u64) -> Vec<u32> {
        let (share, seed) = (self.share(who), derive_seed(self.seed, u64::from(who)));
        epoch_order(share.len(), seed, epoch, true).into_iter().map(|place| share[place as usize]).collect()
    }
}
