//! Stage: a classifier trains and logs its weights.

use super::Run;
use crate::data::{self, DataDir, DataPair};
use crate::gpu::Gpu;
use crate::model::state::TensorShape;
use crate::model::{ClassifierSpec, ModelSpec, Optimizer};
use crate::report::format;
use crate::training::{Cohort, Evaluator, Inputs, SnapshotEvery, Snapshots, Tally, train_epoch};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// The stage's name.
const STAGE: &str = "classifier";
/// The snapshots' tensor in its state.
const SNAPSHOTS: &str = "snapshots";

/// How the classifier is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierStage {
    /// Its spec.
    pub model: String,
    /// The data set.
    pub data: String,
    /// Only so many of the training images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<usize>,
    /// Only so many of the test images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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

/// A classifier that was trained.
pub struct Trained<'g> {
    /// Its shape.
    pub spec: ClassifierSpec,
    /// The weights it started from.
    pub initial: Vec<f32>,
    /// What it logged.
    pub snapshots: Snapshots,
    /// What tests its weights, on the test images.
    pub evaluator: Evaluator<'g>,
    /// The images.
    pub images: Images,
}

/// How many images a classifier sees, of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Images {
    /// To train on.
    pub train: (usize, usize),
    /// To test on.
    pub test: (usize, usize),
}

impl std::fmt::Display for Images {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let part = |(taken, all): (usize, usize)| match taken == all {
            true => format::count(all as u64),
            false => format!("the first {} of {}", format::count(taken as u64), format::count(all as u64)),
        };
        write!(f, "{} to train on, {} to test", part(self.train), part(self.test))
    }
}

/// A line of the metrics.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct EpochLine {
    stage: String,
    epoch: u64,
    train_loss: f64,
    train_accuracy: f64,
    test_loss: f64,
    test_accuracy: f64,
    seconds: f64,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Notes {
    epoch: u64,
    steps: u64,
    lines: Vec<EpochLine>,
    taken: Vec<u64>,
    snapshot_steps: Vec<u64>,
    snapshot_epochs: Vec<u64>,
}

impl ClassifierStage {
    /// Checks what can be checked without a device.
    pub fn check(&self, data_dir: &DataDir) -> Result<ClassifierSpec> {
        let zeros = [
            ("classifier.epochs", self.epochs == 0),
            ("classifier.batch", self.batch == 0),
            ("classifier.images", self.images == Some(0)),
            ("classifier.test_images", self.test_images == Some(0)),
        ];
        if let Some((field, _)) = zeros.iter().find(|(_, is_zero)| *is_zero) {
            return Err(Error::setting(*field, "0 does nothing", "use 1 or more"));
        }
        self.optimizer.check("classifier.optimizer")?;
        let spec = ModelSpec::load(&self.model)?.classifier()?;
        spec.check_data(&self.load(data_dir)?.0)?;
        Ok(spec)
    }

    fn load(&self, data_dir: &DataDir) -> Result<(DataPair, Images)> {
        let mut data = data::load(&self.data, data_dir)?;
        let all = (data.train.len(), data.test.len());
        if let Some(images) = self.images {
            data.train = data.train.limit(images)?;
        }
        if let Some(images) = self.test_images {
            data.test = data.test.limit(images)?;
        }
        let images = Images { train: (data.train.len(), all.0), test: (data.test.len(), all.1) };
        Ok((data, images))
    }

    /// Trains it, or goes on with it. `check_room` is told beforehand of how many weights and of how many
    /// snapshots of them there will be.
    pub fn run<'g>(
        &self,
        run: &mut Run<'g>,
        seed: u32,
        check_room: impl FnOnce(&Gpu, [usize; 2]) -> Result<()>,
    ) -> Result<Trained<'g>> {
        let gpu = run.gpu()?;
        let spec = self.check(run.place.data_dir)?;
        let (data, counts) = self.load(run.place.data_dir)?;
        let steps = data.train.len().div_ceil(self.batch);
        let logged = self.snapshot_every.count(self.epochs, steps as u64);
        refuse_few(logged)?;
        check_room(gpu, [spec.parameters(), logged as usize])?;
        let inputs = Inputs {
            statistics: self.standardize.then(|| data.train.channel_statistics()),
            grayscale: false,
        };
        let images = inputs.upload(gpu, &data.train)?;
        let evaluator = Evaluator::new(gpu, &spec, &inputs.upload(gpu, &data.test)?, 8)?;
        let mut cohort = Cohort::new(gpu, &spec, &images, 1, self.batch, self.optimizer)?;
        cohort.network.parameters.initialize(gpu, seed, true)?;
        let initial = cohort.parameters()?.swap_remove(0);
        let mut snapshots = [Snapshots::new(&spec.name)];
        snapshots[0].inputs = inputs;
        let mut notes = Notes::default();
        if let Some((saved, file)) = run.load::<Notes>(STAGE)? {
            notes = saved;
            cohort.resume(&file, &notes.taken)?;
            let taken_at = notes.snapshot_steps.iter().zip(&notes.snapshot_epochs);
            if file.has(SNAPSHOTS)? {
                let flat = file.tensor(SNAPSHOTS)?.values()?;
                for (row, (steps, epochs)) in flat.chunks_exact(initial.len()).zip(taken_at) {
                    snapshots[0].push(row.to_vec(), *steps, *epochs);
                }
            }
            notes.lines.iter().try_for_each(|line| run.log(line))?;
        }
        let batch = cohort.batch() as u64;
        while notes.epoch < self.epochs {
            let orders = [data::epoch_order(data.train.len(), u64::from(seed), notes.epoch, true)];
            cohort.begin_epoch(notes.epoch);
            let name = format!("classifier {}/{}", notes.epoch + 1, self.epochs);
            run.observer.begin(&name, "images", data.train.len() as u64);
            let start = Instant::now();
            let done = (notes.steps, notes.epoch);
            train_epoch(
                &mut cohort,
                &orders,
                Some(self.snapshot_every),
                done,
                &mut snapshots,
                &mut |steps| {
                    run.observer.advance(u64::from(steps) * batch);
                },
            )?;
            notes.steps += cohort.steps(&orders) as u64;
            notes.epoch += 1;
            let trained = cohort.take_tallies()?[0];
            let tested = evaluator.evaluate(&cohort.parameters()?)?[0];
            let line = line(notes.epoch, trained, tested, start.elapsed().as_secs_f64());
            run.observer.note(&format!(
                "train loss {:.4}  test accuracy {}",
                line.train_loss,
                format::percent(line.test_accuracy)
            ));
            run.observer.end();
            if !line.train_loss.is_finite() {
                let problem = format!("training diverged in epoch {}", notes.epoch);
                return Err(Error::setting("classifier.optimizer.lr", problem, "use a smaller rate"));
            }
            run.log(&line)?;
            notes.lines.push(line);
            if notes.epoch == self.epochs {
                save(run, &notes, &cohort, &snapshots[0])?;
            }
            let bytes = tensors(&cohort, &snapshots[0]).iter().map(TensorShape::bytes).sum();
            run.pause(bytes, |run| save(run, &notes, &cohort, &snapshots[0]))?;
        }
        let [snapshots] = snapshots;
        refuse_few(snapshots.len() as u64)?;
        snapshots.save(&run.path("snapshots.safetensors"))?;
        Ok(Trained { spec, initial, snapshots, evaluator, images: counts })
    }
}

fn refuse_few(snapshots: u64) -> Result<()> {
    if snapshots >= 2 {
        return Ok(());
    }
    Err(Error::setting(
        "classifier.snapshot_every",
        format!("the training leaves {snapshots} snapshots, too few to learn from"),
        "take them more often, or train for more epochs",
    ))
}

fn line(epoch: u64, trained: Tally, tested: Tally, seconds: f64) -> EpochLine {
    EpochLine {
        stage: STAGE.into(),
        epoch,
        train_loss: trained.loss,
        train_accuracy: trained.accuracy,
        test_loss: tested.loss,
        test_accuracy: tested.accuracy,
        seconds,
    }
}

/// Saves what the stage goes on from.
fn save(run: &mut Run<'_>, notes: &Notes, cohort: &Cohort<'_>, snapshots: &Snapshots) -> Result<()> {
    let gpu = run.gpu()?;
    let notes = Notes {
        taken: cohort.taken().to_vec(),
        snapshot_steps: snapshots.steps.clone(),
        snapshot_epochs: snapshots.epochs.clone(),
        ..notes.clone()
    };
    run.save(STAGE, &notes, &tensors(cohort, snapshots), |file| {
        cohort.network.put_state(gpu, file)?;
        let mut rows = snapshots.rows().into_iter().enumerate();
        rows.try_for_each(|(place, row)| file.put(SNAPSHOTS, place * row.len(), row))
    })
}

/// What is in a saved state.
fn tensors(cohort: &Cohort<'_>, snapshots: &Snapshots) -> Vec<TensorShape> {
    let mut tensors = cohort.network.state_shapes();
    if !snapshots.is_empty() {
        tensors.push(TensorShape::new(SNAPSHOTS, &[snapshots.len(), snapshots.width()]));
    }
    tensors
}
