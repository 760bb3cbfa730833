//! The loop over epochs of one classifier's training, which can be stopped between any two of them.

use super::{Cohort, CohortEpoch, Evaluator, Inputs, SnapshotEvery, Snapshots, train_epoch};
use crate::data::{DataPair, epoch_order};
use crate::gpu::Gpu;
use crate::model::state::{StateFile, StateWriter, TensorShape};
use crate::model::{ClassifierSpec, Optimizer};
use crate::ops::augment::Augmentation;
use crate::progress::Observer;
use crate::report::format;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// The snapshots' tensor in a saved state.
const SNAPSHOTS: &str = "snapshots";

/// How a classifier is trained.
#[derive(Clone, Copy, Debug)]
pub struct SessionSettings {
    /// Times that every image is seen.
    pub epochs: u64,
    /// Images per step.
    pub batch: usize,
    /// The optimiser.
    pub optimizer: Optimizer,
    /// Seed of initial weights, of the order of images, and of their changes.
    pub seed: u32,
    /// Whether the images come in another order in each epoch.
    pub shuffle: bool,
    /// The model is tested after every so many epochs, and after the last.
    pub test_every: u64,
    /// When weights are logged.
    pub snapshots: Option<SnapshotEvery>,
    /// Whether images are standardised per channel.
    pub standardize: bool,
    /// How training images are changed by chance; without colours, test images are too.
    pub changes: Augmentation,
}

/// The result of an epoch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EpochResult {
    /// Its number, from 1.
    pub epoch: u64,
    /// Mean loss on the training images, while it trained on them.
    pub train_loss: f64,
    /// Accuracy there.
    pub train_accuracy: f64,
    /// Mean loss on the test images, where it was tested.
    pub test_loss: Option<f64>,
    /// Accuracy there.
    pub test_accuracy: Option<f64>,
    /// Seconds of the training.
    pub seconds: f64,
    /// Images that it trained on in a second.
    pub images_per_second: f64,
}

/// The state of a session, besides its tensors.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SessionNotes {
    /// The results of the epochs so far.
    pub epochs: Vec<EpochResult>,
    taken: Vec<u64>,
    snapshot_steps: Vec<u64>,
    snapshot_epochs: Vec<u64>,
}

/// A classifier in training.
#[derive(Debug)]
pub struct Session {
    gpu: Gpu,
    settings: SessionSettings,
    cohort: Cohort,
    evaluator: Evaluator,
    images: usize,
    snapshots: [Snapshots; 1],
    notes: SessionNotes,
}

impl Session {
    /// Uploads the images and makes everything that training needs; the weights are those of the seed.
    pub fn new(gpu: &Gpu, spec: &ClassifierSpec, data: &DataPair, settings: SessionSettings) -> Result<Self> {
        let statistics = settings.standardize.then(|| data.train.channel_statistics());
        let inputs = Inputs { statistics, grayscale: settings.changes.grayscale };
        let train = inputs.upload_changed(gpu, &data.train, settings.changes, settings.seed)?;
        let cohort = Cohort::new(gpu, spec, &train, 1, settings.batch, settings.optimizer)?;
        cohort.network.parameters.initialize(gpu, settings.seed, true)?;
        let evaluator = Evaluator::new(gpu, spec, &inputs.upload(gpu, &data.test)?, 8)?;
        let mut snapshots = [Snapshots::new(spec)];
        snapshots[0].inputs = inputs;
        let images = data.train.len();
        Ok(Self {
            gpu: gpu.clone(),
            settings,
            cohort,
            evaluator,
            images,
            snapshots,
            notes: SessionNotes::default(),
        })
    }

    /// The network.
    pub fn cohort(&self) -> &Cohort {
        &self.cohort
    }

    /// The snapshots so far.
    pub fn snapshots(&self) -> &Snapshots {
        &self.snapshots[0]
    }

    /// The snapshots that were logged, and the evaluator of weights.
    pub fn into_parts(self) -> (Snapshots, Evaluator) {
        let [snapshots] = self.snapshots;
        (snapshots, self.evaluator)
    }

    /// Goes on with a session that was saved. Errors where the state is not one of this training.
    pub fn resume(&mut self, notes: SessionNotes, file: &StateFile) -> Result<()> {
        self.check(&notes).map_err(|problem| file.damaged(problem))?;
        file.resumed(self.cohort.resume(file, &notes.taken))?;
        let count = notes.snapshot_steps.len();
        if count > 0 {
            let tensor = file.resumed(file.tensor(SNAPSHOTS))?;
            let width =
                TensorShape::of(&self.cohort.network.parameters).iter().map(TensorShape::values).sum();
            file.resumed(tensor.expect_shape(&[count, width], "the training"))?;
            let flat = file.resumed(tensor.values())?;
            let taken_at = notes.snapshot_steps.iter().zip(&notes.snapshot_epochs);
            for (row, (steps, epochs)) in flat.chunks_exact(width.max(1)).zip(taken_at) {
                self.snapshots[0].push(row.to_vec(), *steps, *epochs);
            }
        }
        self.notes = notes;
        Ok(())
    }

    /// What is wrong with notes that are not those of this training, some epochs after its begin.
    fn check(&self, notes: &SessionNotes) -> std::result::Result<(), String> {
        let epochs = notes.epochs.len() as u64;
        if epochs == 0 || epochs > self.settings.epochs {
            return Err(format!("it has {epochs} epochs of {}", self.settings.epochs));
        }
        if let Some((number, epoch)) = (1..).zip(&notes.epochs).find(|(number, epoch)| epoch.epoch != *number)
        {
            return Err(format!("epoch {} stands in the place of epoch {number}", epoch.epoch));
        }
        if !notes.epochs.iter().all(|epoch| epoch.seconds >= 0.0) {
            return Err("an epoch took less than no time".into());
        }
        let steps = self.images.div_ceil(self.cohort.batch()) as u64;
        if notes.taken != [epochs * steps] {
            return Err(format!("{:?} steps are not those of {epochs} epochs", notes.taken));
        }
        let times = self.settings.snapshots.map_or(Vec::new(), |every| every.times(epochs, steps));
        let (steps, epochs): (Vec<_>, Vec<_>) = times.into_iter().unzip();
        if (&notes.snapshot_steps, &notes.snapshot_epochs) == (&steps, &epochs) {
            return Ok(());
        }
        Err(format!(
            "it has {} snapshots and times of {}, which are not the {} of its epochs",
            notes.snapshot_steps.len(),
            notes.snapshot_epochs.len(),
            steps.len()
        ))
    }

    /// Whether all epochs are trained.
    pub fn is_over(&self) -> bool {
        self.done() >= self.settings.epochs
    }

    fn done(&self) -> u64 {
        self.notes.epochs.len() as u64
    }

    /// Trains the next epoch. `what` is what it is called before the observer.
    pub fn epoch(&mut self, what: &str, observer: &mut dyn Observer) -> Result<EpochResult> {
        let Self { settings, cohort, images, notes, .. } = self;
        let (epoch, batch) = (notes.epochs.len() as u64, cohort.batch() as u64);
        let orders = [epoch_order(*images, u64::from(settings.seed), epoch, settings.shuffle)];
        observer.begin(&format!("{what} {}/{}", epoch + 1, settings.epochs), "images", *images as u64);
        let start = Instant::now();
        let snapshots = settings.snapshots;
        let now = CohortEpoch { number: epoch, owners: &[0], epochs_before: epoch, snapshots };
        let trained = train_epoch(cohort, &orders, now, &mut self.snapshots, &mut |steps| {
            observer.advance(u64::from(steps) * batch);
        })?[0];
        let seconds = start.elapsed().as_secs_f64();
        let is_due = (epoch + 1).is_multiple_of(settings.test_every) || epoch + 1 == settings.epochs;
        let tested = if is_due { Some(self.evaluator.evaluate(&cohort.parameters()?)?[0]) } else { None };
        let result = EpochResult {
            epoch: epoch + 1,
            train_loss: trained.loss,
            train_accuracy: trained.accuracy,
            test_loss: tested.map(|t| t.loss),
            test_accuracy: tested.map(|t| t.accuracy),
            seconds,
            images_per_second: trained.samples as f64 / seconds,
        };
        observer.note(&result.to_string());
        observer.end();
        notes.epochs.push(result.clone());
        Ok(result)
    }

    /// The tensors of its state.
    pub fn state_shapes(&self) -> Vec<TensorShape> {
        let mut shapes = self.cohort.network.state_shapes();
        let snapshots = self.snapshots();
        if !snapshots.is_empty() {
            shapes.push(TensorShape::new(SNAPSHOTS, &[snapshots.len(), snapshots.width()]));
        }
        shapes
    }

    /// Puts them into a file.
    pub fn put_state(&self, file: &mut StateWriter) -> Result<()> {
        self.cohort.network.put_state(&self.gpu, file)?;
        let mut rows = self.snapshots().rows().into_iter().enumerate();
        rows.try_for_each(|(place, row)| file.put(SNAPSHOTS, place * row.len(), row))
    }

    /// Its state, besides its tensors.
    pub fn notes(&self) -> SessionNotes {
        SessionNotes {
            taken: self.cohort.taken().to_vec(),
            snapshot_steps: self.snapshots().steps.clone(),
            snapshot_epochs: self.snapshots().epochs.clone(),
            ..self.notes.clone()
        }
    }
}

impl EpochResult {
    /// An error where the loss is no number any more; `field` is the setting of the learning rate.
    pub fn check_finite(&self, field: &str) -> Result<()> {
        if self.train_loss.is_finite() {
            return Ok(());
        }
        let problem = format!("training diverged in epoch {} (the loss is {})", self.epoch, self.train_loss);
        Err(Error::setting(field, problem, "use a smaller rate"))
    }
}

impl std::fmt::Display for EpochResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "train loss {:.4}", self.train_loss)?;
        if let (Some(loss), Some(accuracy)) = (self.test_loss, self.test_accuracy) {
            write!(f, "  test loss {loss:.4}  test accuracy {}", format::percent(accuracy))?;
        }
        write!(f, "  {} images/s", format::count(self.images_per_second as u64))
    }
}
