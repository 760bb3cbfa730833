//! Stage: an autoencoder learns from the snapshots.

use super::Run;
use super::classifier::{Logged, model_fact};
use crate::autoencoder::pca::Pca;
use crate::autoencoder::{
    AutoencoderFile, AutoencoderSettings, CurvePoint, Expected, Half, Learner, MAX_FILE_BYTES, MemoryPlan,
    Standard, TrainedAutoencoder, Training, Watcher, finish, finished, learn, reconstruct,
};
use crate::gpu::Gpu;
use crate::model::AutoencoderSpec;
use crate::training::Snapshots;
use crate::{Error, Result};
use serde::Serialize;
use std::path::Path;

/// The stage's name, and that of its file.
const STAGE: &str = "autoencoder";

/// An autoencoder that was trained.
pub struct Compressor {
    /// The autoencoder.
    pub file: AutoencoderFile,
    /// The mean and the scale of the snapshots that it was trained on.
    pub standard: Standard,
    /// Its training.
    pub curve: Vec<CurvePoint>,
}

/// A line of the metrics.
#[derive(Serialize)]
struct Line<'a> {
    stage: &'a str,
    #[serde(flatten)]
    point: &'a CurvePoint,
}

/// Some of the snapshots.
pub type Rows<'a> = Vec<&'a [f32]>;

/// Writes the curve of a training into the metrics.
pub fn log_curve(run: &mut Run<'_>, stage: &str, curve: &[CurvePoint]) -> Result<()> {
    curve.iter().try_for_each(|point| run.log(&Line { stage, point }))
}

/// Checks what can be checked without a device.
pub fn check(settings: &AutoencoderSettings, parameters: usize) -> Result<AutoencoderSpec> {
    if settings.hold_out < 2 {
        let problem =
            format!("{} leaves nothing to train on, or nothing to validate with", settings.hold_out);
        return Err(Error::setting("autoencoder.hold_out", problem, "use 2 or more, such as 5"));
    }
    settings.check()?;
    settings.shape(parameters)
}

/// The rows to train on, and those that are held out.
pub fn split<'a>(settings: &AutoencoderSettings, snapshots: &'a Snapshots) -> Result<(Rows<'a>, Rows<'a>)> {
    let (train, held_out) = settings.split(snapshots.rows());
    check_split(train.len(), held_out.len())?;
    Ok((train, held_out))
}

/// Refuses, before anything is trained, more than the device has room for, and too few snapshots to learn from.
pub fn check_room(settings: &AutoencoderSettings, gpu: &Gpu, logged: Logged) -> Result<()> {
    let spec = check(settings, logged.parameters)?;
    let (train, held_out) = settings.split(0..logged.snapshots);
    let (train, held_out) = (train.len(), held_out.len());
    check_split(train, held_out)?;
    let expected = Expected { spec: &spec, settings, collaborators: 1, train, held_out };
    expected.check(gpu, "classifier.snapshot_every")
}

fn check_split(train: usize, held_out: usize) -> Result<()> {
    if held_out > 0 && train > 1 {
        return Ok(());
    }
    let problem = format!("of {} snapshots {held_out} are held out", train + held_out);
    Err(Error::setting("autoencoder.hold_out", problem, "log more snapshots, or use a smaller number"))
}

/// Principal axes of the snapshots that it is trained on: what stands beside it.
pub fn axes<'a>(settings: &AutoencoderSettings, snapshots: &'a Snapshots) -> Result<Pca<'a>> {
    let (train, held_out) = split(settings, snapshots)?;
    Pca::fit(&train, &held_out)
}

/// Writes the training of a stage into the metrics.
struct Logging<'a> {
    stage: &'a str,
}

impl Watcher for Logging<'_> {
    fn log(&mut self, run: &mut Run<'_>, point: &CurvePoint) -> Result<()> {
        log_curve(run, self.stage, std::slice::from_ref(point))
    }

    fn expands(&self, _: bool) -> bool {
        true
    }
}

/// Trains it, or goes on with it, and leaves it in the run's folder.
pub fn train(
    settings: &AutoencoderSettings,
    run: &mut Run<'_>,
    snapshots: &Snapshots,
    seed: u32,
) -> Result<Compressor> {
    let folder = run.place.folder.path().to_path_buf();
    train_as(settings, run, STAGE, &folder, snapshots, seed)
}

/// The same for one of several: `stage` is its name, and it is left in `folder`.
pub fn train_as(
    settings: &AutoencoderSettings,
    run: &mut Run<'_>,
    stage: &str,
    folder: &Path,
    snapshots: &Snapshots,
    seed: u32,
) -> Result<Compressor> {
    let spec = check(settings, snapshots.width())?;
    let curves = match finished(run, stage, settings)? {
        Some(curves) => {
            log_curve(run, stage, &curves[0])?;
            curves
        }
        None => {
            let (gpu, (train, held_out)) = (run.gpu()?, split(settings, snapshots)?);
            let (train, held_out) = ([train], [held_out]);
            let training = Training { spec: &spec, settings, seed, train: &train, held_out: &held_out };
            MemoryPlan::of(gpu, &training)?.check_spec(&training)?;
            let explained = |error| MemoryPlan::explain_spec(gpu, &training, error);
            let mut learner = Learner::new(gpu, &training).map_err(explained)?;
            run.observer.begin(stage, "epochs", settings.epochs as u64);
            let curves = learn(run, stage, &mut learner, &mut Logging { stage }).map_err(explained)?;
            run.observer.end();
            let trained = TrainedAutoencoder {
                spec: &spec,
                model: &snapshots.model,
                parameters: &learner.network().parameters,
                standard: &learner.standards()[0],
            };
            trained.save(gpu, folder, MAX_FILE_BYTES)?;
            finish(run, stage, &curves)?;
            curves
        }
    };
    let file = AutoencoderFile::open(folder)?;
    Ok(Compressor { standard: file.standard(Half::Decoder)?, file, curve: curves.concat() })
}

/// Snapshots whose weights and errors TensorBoard shows.
const SHOWN: usize = 20;

impl Compressor {
    /// The autoencoder by name and size.
    pub fn model(&self) -> String {
        model_fact(&self.file.spec.name, self.file.spec.parameters())
    }

    /// What comes back of rows that go through it.
    pub fn restore(&self, run: &Run<'_>, rows: &[&[f32]]) -> Result<Vec<Vec<f32>>> {
        let mut restored = Vec::with_capacity(rows.len());
        reconstruct(run.gpu()?, &self.file, rows, |_, back| {
            restored.extend(back.iter().map(|row| row.to_vec()));
            Ok(())
        })?;
        Ok(restored)
    }
}

/// Leaves histograms of some snapshots' weights and of what is lost of them, for TensorBoard.
pub fn show_errors(run: &mut Run<'_>, snapshots: &Snapshots, restored: &[Vec<f32>]) {
    let every = snapshots.len().div_ceil(SHOWN).max(1);
    let rows = snapshots.rows().into_iter().zip(restored).zip(&snapshots.steps);
    for ((row, back), step) in rows.step_by(every) {
        run.events.histogram("weights", *step, row.iter().copied());
        let errors = row.iter().zip(back).map(|(weight, got)| got - weight);
        run.events.histogram("errors/autoencoder", *step, errors);
    }
}
