//! Stage: an autoencoder learns from the snapshots.

mod notes;
mod training;

use super::Run;
use super::classifier::{Logged, model_fact};
use crate::autoencoder::pca::Pca;
use crate::autoencoder::small::{Space, rates_refusal, refusal};
use crate::autoencoder::{
    AutoencoderFile, CurvePoint, Expected, Half, MAX_FILE_BYTES, Standard, TrainerSettings, reconstruct,
    save_autoencoder,
};
use crate::gpu::Gpu;
use crate::model::{AutoencoderSpec, ModelSpec, Optimizer, Rates};
use crate::run::Identity;
use crate::training::{HoldOut, Snapshots};
use crate::{Error, Result};
use notes::Notes;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Instant;
use training::{Job, Training};

/// The stage's name, and that of its file.
const STAGE: &str = "autoencoder";

/// How the autoencoder is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoencoderStage {
    /// Its spec.
    pub model: String,
    /// Floats of the code, in place of the spec's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latent: Option<usize>,
    /// Widths between the input and the latent, mirrored in the decoder, in place of the spec's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<Vec<usize>>,
    /// Where it is trained. In the small space Adam is span-adam, which is another optimiser.
    #[serde(default)]
    pub space: Space,
    /// Times that every snapshot is seen.
    pub epochs: usize,
    /// How often losses and errors are looked at, in epochs.
    pub look_every: usize,
    /// Every so many snapshots one is held out for validation.
    pub hold_out: usize,
    /// Snapshots per step; all of them where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// How it learns.
    #[serde(default)]
    pub optimizer: Optimizer,
    /// Learning rates of layers, in place of the optimiser's and what follows from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer_rates: Option<Rates>,
}

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

impl AutoencoderStage {
    /// Checks what can be checked without a device.
    pub fn check(&self, parameters: usize) -> Result<AutoencoderSpec> {
        let zeros = [
            ("autoencoder.epochs", self.epochs == 0),
            ("autoencoder.look_every", self.look_every == 0),
            ("autoencoder.batch", self.batch == Some(0)),
        ];
        if let Some((field, _)) = zeros.iter().find(|(_, is_zero)| *is_zero) {
            return Err(Error::setting(*field, "0 does nothing", "use 1 or more"));
        }
        if self.hold_out < 2 {
            let problem =
                format!("{} leaves nothing to train on, or nothing to validate with", self.hold_out);
            return Err(Error::setting("autoencoder.hold_out", problem, "use 2 or more, such as 5"));
        }
        self.optimizer.check("autoencoder.optimizer")?;
        let mut spec = ModelSpec::load(&self.model)?.autoencoder()?;
        let hidden = self.hidden.as_deref();
        spec = spec.with_shape("autoencoder.latent", self.latent, "autoencoder.hidden", hidden)?;
        if let Some(rates) = &self.layer_rates {
            let rates = rates.clone().times(1.0 / self.optimizer.lr);
            spec = spec.with_rates("autoencoder.layer_rates", rates)?;
        }
        if self.space == Space::Small {
            self.check_small(&spec)?;
        }
        spec.expect_inputs("autoencoder.model", parameters)?;
        Ok(spec)
    }

    /// Adds what it depends on besides its settings.
    pub fn identify(&self, own: Identity) -> Result<Identity> {
        own.with_model(&self.model)
    }

    fn check_small(&self, spec: &AutoencoderSpec) -> Result<()> {
        if let Some(problem) = refusal(spec, &self.optimizer) {
            let mend = "use \"wide\", or another autoencoder or optimiser";
            return Err(Error::setting("autoencoder.space", problem, mend));
        }
        match self.layer_rates.as_ref().and_then(|_| rates_refusal(&self.optimizer)) {
            Some(problem) => {
                let mend = "leave it out and set autoencoder.optimizer.lr, or use space = \"wide\"";
                Err(Error::setting("autoencoder.layer_rates", problem, mend))
            }
            None => Ok(()),
        }
    }

    /// Whether the snapshot of this place is held out.
    pub fn is_held_out(&self, place: usize) -> bool {
        (place + 1).is_multiple_of(self.hold_out)
    }

    /// The rows to train on, and those that are held out.
    pub fn split<'a>(&self, snapshots: &'a Snapshots) -> Result<(Rows<'a>, Rows<'a>)> {
        let (train, held_out) = HoldOut(self.hold_out).split(snapshots.rows());
        check_split(train.len(), held_out.len())?;
        Ok((train, held_out))
    }

    /// Refuses, before anything is trained, more than the device has room for, and too few snapshots to learn from.
    pub fn check_room(&self, gpu: &Gpu, logged: Logged, seed: u32) -> Result<()> {
        let spec = self.check(logged.parameters)?;
        let (train, held_out) = HoldOut(self.hold_out).split(0..logged.snapshots);
        check_split(train.len(), held_out.len())?;
        let settings = TrainerSettings { optimizer: self.optimizer, batch: self.batch, seed };
        let (space, train, held_out) = (self.space, train.len(), held_out.len());
        let expected = Expected { spec: &spec, settings, space, collaborators: 1, train, held_out };
        expected.check(gpu, "classifier.snapshot_every")
    }

    /// Principal axes of the snapshots that it is trained on: what stands beside it.
    pub fn axes<'a>(&self, snapshots: &'a Snapshots) -> Result<Pca<'a>> {
        let (train, held_out) = self.split(snapshots)?;
        Pca::fit(&train, &held_out)
    }

    /// Trains it, or goes on with it, and leaves it in the run's folder.
    pub fn run(&self, run: &mut Run<'_>, snapshots: &Snapshots, seed: u32) -> Result<Compressor> {
        let folder = run.place.folder.path().to_path_buf();
        self.run_as(run, STAGE, &folder, snapshots, seed)
    }

    /// The same for one of several: `stage` is its name, and it is left in `folder`.
    pub fn run_as(
        &self,
        run: &mut Run<'_>,
        stage: &str,
        folder: &Path,
        snapshots: &Snapshots,
        seed: u32,
    ) -> Result<Compressor> {
        let spec = self.check(snapshots.width())?;
        let mut notes = Notes::default();
        let saved = run.load::<Notes>(stage)?;
        if let Some((saved, _)) = &saved {
            notes = saved.clone();
            log_curve(run, stage, &notes.curve)?;
        }
        if !notes.finished {
            let (gpu, (train, held_out)) = (run.gpu()?, self.split(snapshots)?);
            let settings = TrainerSettings { optimizer: self.optimizer, batch: self.batch, seed };
            let space = self.space;
            let job = Job { spec: &spec, train, held_out, settings, space };
            let mut training = Training::new(gpu, job, self.epochs)?;
            if let Some((_, file)) = saved {
                let epochs = notes.curve.last().map_or(0, |point| point.epoch);
                training.resume(&file, &notes.taken, epochs)?;
            }
            self.train(run, stage, &mut training, &mut notes)?;
            let parameters = (&training.network().parameters, 0);
            let what = (&spec, &snapshots.model);
            save_autoencoder(gpu, folder, what, parameters, &training.read_standard()?, MAX_FILE_BYTES)?;
            // What it went on from is needed no more: it lies in its file.
            notes = Notes { taken: Vec::new(), finished: true, ..notes };
            run.save(stage, &notes, &[], |_| Ok(()))?;
        }
        let file = AutoencoderFile::open(folder)?;
        Ok(Compressor { standard: file.standard(Half::Decoder)?, file, curve: notes.curve })
    }

    fn train(
        &self,
        run: &mut Run<'_>,
        stage: &str,
        training: &mut Training,
        notes: &mut Notes,
    ) -> Result<()> {
        let mut seconds = notes.curve.last().map_or(0.0, |point| point.seconds);
        run.observer.begin(stage, "epochs", self.epochs as u64);
        run.observer.advance(training.epochs());
        while (training.epochs() as usize) < self.epochs {
            let now = self.look_every.min(self.epochs - training.epochs() as usize);
            let start = Instant::now();
            training.train(now, &mut |finished| run.observer.advance(u64::from(finished)))?;
            seconds += start.elapsed().as_secs_f64();
            let point = training.look(now, seconds)?;
            if !point.loss.is_finite() {
                let problem = format!("the autoencoder diverged by epoch {}", point.epoch);
                return Err(Error::setting("autoencoder.optimizer.lr", problem, "use a smaller rate"));
            }
            run.observer.note(&format!(
                "loss {:.4}  relative L2 {:.3}, held out {:.3}",
                point.loss,
                point.relative_l2,
                point.validation_relative_l2.unwrap_or(f64::NAN)
            ));
            log_curve(run, stage, &[point])?;
            notes.curve.push(point);
            let bytes = training.state_bytes();
            run.pause(bytes, |run| training.save(run, stage, notes))?;
        }
        run.observer.end();
        Ok(())
    }
}

fn check_split(train: usize, held_out: usize) -> Result<()> {
    if held_out > 0 && train > 1 {
        return Ok(());
    }
    Err(Error::setting(
        "autoencoder.hold_out",
        format!("of {} snapshots {held_out} are held out", train + held_out),
        "log more snapshots, or use a smaller number",
    ))
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
