//! Stage: an autoencoder learns from the snapshots.

use super::Run;
use crate::codec::autoencoder::{
    AutoencoderFile, CurvePoint, MAX_FILE_BYTES, Standard, Trainer, TrainerSettings, look, reconstruct,
    save_autoencoder,
};
use crate::model::{AutoencoderSpec, ModelSpec, Optimizer};
use crate::training::Snapshots;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// The stage's name.
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
}

/// An autoencoder that was trained.
pub struct Compressor {
    /// The autoencoder.
    pub file: AutoencoderFile,
    /// The mean and the scale of the snapshots that it was trained on.
    pub standard: Standard,
    /// How it came there.
    pub curve: Vec<CurvePoint>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Notes {
    curve: Vec<CurvePoint>,
    taken: Vec<u64>,
}

/// A line of the metrics.
#[derive(Serialize)]
struct Line<'a> {
    stage: &'static str,
    #[serde(flatten)]
    point: &'a CurvePoint,
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
        if let Some(latent) = self.latent {
            spec = spec.with_latent("autoencoder.latent", latent)?;
        }
        spec.expect_inputs("autoencoder.model", parameters)?;
        Ok(spec)
    }

    /// Whether the snapshot of this place is held out.
    pub fn is_held_out(&self, place: usize) -> bool {
        (place + 1).is_multiple_of(self.hold_out)
    }

    /// Trains it, or goes on with it.
    pub fn run(&self, run: &mut Run<'_>, snapshots: &Snapshots, seed: u32) -> Result<Compressor> {
        let gpu = run.gpu()?;
        let spec = self.check(snapshots.width())?;
        let rows = || snapshots.rows().into_iter().enumerate();
        let part = |held_out: bool| -> Vec<&[f32]> {
            rows().filter(|(place, _)| self.is_held_out(*place) == held_out).map(|(_, row)| row).collect()
        };
        let (train, held_out) = (part(false), part(true));
        if held_out.is_empty() || train.len() < 2 {
            return Err(Error::setting(
                "autoencoder.hold_out",
                format!("of {} snapshots {} are held out", snapshots.len(), held_out.len()),
                "log more snapshots, or use a smaller number",
            ));
        }
        let settings = TrainerSettings { optimizer: self.optimizer, batch: self.batch, seed };
        let mut trainer = Trainer::new(gpu, &spec, &[train], &[held_out], settings)?;
        let mut notes = Notes::default();
        if let Some((saved, file)) = run.load::<Notes>(STAGE)? {
            notes = saved;
            let epochs = notes.curve.last().map_or(0, |point| point.epoch);
            trainer.resume(&file, &notes.taken, epochs)?;
            notes.curve.iter().try_for_each(|point| run.log(&Line { stage: STAGE, point }))?;
        }
        let mut seconds = notes.curve.last().map_or(0.0, |point| point.seconds);
        run.observer.begin(STAGE, "epochs", self.epochs as u64);
        run.observer.advance(trainer.epochs());
        while (trainer.epochs() as usize) < self.epochs {
            let now = self.look_every.min(self.epochs - trainer.epochs() as usize);
            let start = Instant::now();
            trainer.train(now, &mut |finished| run.observer.advance(u64::from(finished)))?;
            seconds += start.elapsed().as_secs_f64();
            let point = look(&mut trainer, now, seconds)?[0];
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
            run.log(&Line { stage: STAGE, point: &point })?;
            notes.curve.push(point);
            if trainer.epochs() as usize == self.epochs {
                save(run, &notes, &trainer)?;
            }
            run.pause(|run| save(run, &notes, &trainer))?;
        }
        run.observer.end();
        let standard = trainer.read_standards()?.swap_remove(0);
        let what = (&spec, snapshots.model.as_str());
        let parameters = (&trainer.network().parameters, 0);
        let path = save_autoencoder(gpu, run.place.folder, what, parameters, &standard, MAX_FILE_BYTES)?;
        Ok(Compressor { file: AutoencoderFile::open(&path)?, standard, curve: notes.curve })
    }
}

/// Snapshots whose weights and errors TensorBoard shows.
const SHOWN: usize = 20;

impl Compressor {
    /// What comes back of rows that go through it.
    pub fn restore(&self, run: &Run<'_>, rows: &[&[f32]]) -> Result<Vec<Vec<f32>>> {
        let mut restored = Vec::with_capacity(rows.len());
        reconstruct(run.gpu()?, &self.file, rows, |_, back| {
            restored.extend(back.iter().map(|row| row.to_vec()));
            Ok(())
        })?;
        Ok(restored)
    }

    /// Leaves histograms of some snapshots' weights and of what is lost of them, for TensorBoard.
    pub fn show_errors(&self, run: &mut Run<'_>, snapshots: &Snapshots) -> Result<()> {
        let every = snapshots.len().div_ceil(SHOWN).max(1);
        let rows: Vec<_> = snapshots.rows().into_iter().step_by(every).collect();
        let steps = snapshots.steps.iter().step_by(every);
        for ((row, back), step) in rows.iter().zip(self.restore(run, &rows)?).zip(steps) {
            run.events.histogram("weights", *step, row.iter().copied());
            let errors = row.iter().zip(&back).map(|(weight, got)| got - weight);
            run.events.histogram("errors/autoencoder", *step, errors);
        }
        Ok(())
    }
}

/// Saves what the stage goes on from.
fn save(run: &mut Run<'_>, notes: &Notes, trainer: &Trainer<'_>) -> Result<()> {
    let (gpu, network) = (run.gpu()?, trainer.network());
    let notes = Notes { taken: trainer.taken().to_vec(), ..notes.clone() };
    run.save(STAGE, &notes, &network.state_shapes(), |file| network.put_state(gpu, file))
}
