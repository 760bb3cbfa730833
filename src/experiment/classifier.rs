//! Stage: a classifier trains and logs its weights.

use super::Run;
use crate::data::{self, DataDir, DataPair};
use crate::gpu::Gpu;
use crate::model::state::TensorShape;
use crate::model::{ClassifierSpec, ModelSpec, Optimizer};
use crate::ops::augment::Augmentation;
use crate::report::format;
use crate::run::Identity;
use crate::settings::refuse_zeros;
use crate::training::{
    EpochResult, Evaluator, Session, SessionNotes, SessionSettings, SnapshotEvery, Snapshots,
};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The stage's name.
const STAGE: &str = "classifier";

/// How the classifier is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierStage {
    /// Its spec.
    pub model: String,
    /// The data set.
    pub data: String,
    /// Only so many of the training images.
    pub images: Option<usize>,
    /// Only so many of the test images.
    pub test_images: Option<usize>,
    /// Whether images are standardised per channel.
    #[serde(default)]
    pub standardize: bool,
    /// Times that every image is seen.
    pub epochs: u64,
    /// Images per step.
    pub batch: usize,
    /// "epoch", or a number of steps.
    pub snapshot_every: SnapshotEvery,
    /// How it learns.
    #[serde(default)]
    pub optimizer: Optimizer,
}

/// A model by name and size, for the facts of a report.
pub fn model_fact(name: &str, parameters: usize) -> String {
    format!("{name}, {} parameters", format::count(parameters as u64))
}

/// What a classifier will have logged when it is trained.
#[derive(Clone, Copy)]
pub struct Logged {
    /// P
    pub parameters: usize,
    /// S
    pub snapshots: usize,
}

/// A classifier that was trained.
pub struct Trained {
    /// Its shape.
    pub spec: ClassifierSpec,
    /// The weights it started from.
    pub initial: Vec<f32>,
    /// What it logged.
    pub snapshots: Snapshots,
    /// What tests its weights, on the test images.
    pub evaluator: Evaluator,
    /// Its images in words.
    images: String,
}

impl Trained {
    /// The facts of a report about it, and about the autoencoder where that is a single one.
    pub fn facts(&self, autoencoder: Option<String>, hold_out: usize) -> Vec<(String, String)> {
        let snapshots = format::count(self.snapshots.len() as u64);
        let mut facts = vec![("Classifier", model_fact(&self.spec.name, self.spec.parameters()))];
        facts.extend(autoencoder.map(|autoencoder| ("Autoencoder", autoencoder)));
        facts.push(("Images", self.images.clone()));
        facts.push(("Snapshots", format!("{snapshots}, one in {hold_out} held out")));
        facts.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
    }
}

/// A line of the metrics.
#[derive(Serialize)]
struct EpochLine<'a> {
    stage: &'a str,
    epoch: u64,
    train_loss: f64,
    train_accuracy: f64,
    test_loss: Option<f64>,
    test_accuracy: Option<f64>,
    seconds: f64,
}

impl ClassifierStage {
    /// Checks what can be checked without a device.
    pub fn check(&self, data_dir: &DataDir) -> Result<ClassifierSpec> {
        let spec = self.check_settings()?;
        spec.check_data(&self.load(data_dir)?.0)?;
        Ok(spec)
    }

    /// Checks what can be checked without looking at data.
    pub fn check_settings(&self) -> Result<ClassifierSpec> {
        refuse_zeros(&[
            ("classifier.epochs", self.epochs == 0),
            ("classifier.batch", self.batch == 0),
            ("classifier.images", self.images == Some(0)),
            ("classifier.test_images", self.test_images == Some(0)),
        ])?;
        self.optimizer.check("classifier.optimizer")?;
        ModelSpec::load(&self.model)?.classifier()
    }

    /// Adds what it depends on besides its settings.
    pub fn identify(&self, own: Identity, data_dir: &DataDir) -> Result<Identity> {
        own.with_model(&self.model)?.with_data(&self.data, data_dir)
    }

    /// The images, and how many they are of all that there are.
    fn load(&self, data_dir: &DataDir) -> Result<(DataPair, String)> {
        let mut data = data::load(&self.data, data_dir)?;
        let (all_train, all_test) = (data.train.len(), data.test.len());
        if let Some(images) = self.images {
            data.train = data.train.limit(images)?;
        }
        if let Some(images) = self.test_images {
            data.test = data.test.limit(images)?;
        }
        let part = |taken: usize, all: usize| {
            let [taken, all] = [taken, all].map(|count| format::count(count as u64));
            if taken == all { all } else { format!("the first {taken} of {all}") }
        };
        let (train, test) = (part(data.train.len(), all_train), part(data.test.len(), all_test));
        Ok((data, format!("{train} to train on, {test} to test")))
    }

    /// Trains it, or goes on with it. `check_room` sees beforehand what will be logged.
    pub fn run(
        &self,
        run: &mut Run<'_>,
        seed: u32,
        check_room: impl FnOnce(&Gpu, Logged) -> Result<()>,
    ) -> Result<Trained> {
        let gpu = run.gpu()?;
        let spec = self.check(run.data_dir()?)?;
        let (data, images) = self.load(run.data_dir()?)?;
        let steps = data.train.len().div_ceil(self.batch);
        let logged = self.snapshot_every.count(self.epochs, steps as u64);
        refuse_few(logged)?;
        check_room(gpu, Logged { parameters: spec.parameters(), snapshots: logged as usize })?;
        let settings = SessionSettings {
            epochs: self.epochs,
            batch: self.batch,
            optimizer: self.optimizer,
            seed,
            shuffle: true,
            test_every: 1,
            snapshots: Some(self.snapshot_every),
            standardize: self.standardize,
            changes: Augmentation::default(),
        };
        let mut session = Session::new(gpu, &spec, &data, settings)?;
        let initial = session.cohort().parameters()?.swap_remove(0);
        if let Some((notes, file)) = run.load::<SessionNotes>(STAGE)? {
            notes.epochs.iter().try_for_each(|epoch| log(run, epoch))?;
            session.resume(notes, &file)?;
        }
        while !session.is_over() {
            let epoch = session.epoch(STAGE, run.observer)?;
            epoch.check_finite("classifier.optimizer.lr")?;
            log(run, &epoch)?;
            if session.is_over() {
                save(run, &session)?;
            }
            let bytes = session.state_shapes().iter().map(TensorShape::bytes).sum();
            run.pause(bytes, |run| save(run, &session))?;
        }
        let (snapshots, evaluator) = session.into_parts();
        refuse_few(snapshots.len() as u64)?;
        snapshots.save(&run.path("snapshots.safetensors"))?;
        Ok(Trained { spec, initial, snapshots, evaluator, images })
    }
}

fn log(run: &mut Run<'_>, epoch: &EpochResult) -> Result<()> {
    let &EpochResult { epoch, train_loss, train_accuracy, test_loss, test_accuracy, seconds, .. } = epoch;
    run.log(&EpochLine { stage: STAGE, epoch, train_loss, train_accuracy, test_loss, test_accuracy, seconds })
}

fn refuse_few(snapshots: u64) -> Result<()> {
    if snapshots >= 2 {
        return Ok(());
    }
    let problem = format!("the training leaves {snapshots} snapshots, too few to learn from");
    let mend = "take them more often, or train for more epochs";
    Err(Error::setting("classifier.snapshot_every", problem, mend))
}

/// Saves what the stage goes on from.
fn save(run: &mut Run<'_>, session: &Session) -> Result<()> {
    run.save(STAGE, &session.notes(), &session.state_shapes(), |file| session.put_state(file))
}
