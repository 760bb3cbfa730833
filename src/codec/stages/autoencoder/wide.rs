//! Autoencoders trained on the weights themselves, as many at a time as are not too large together.

use super::halves::keep_encoder;
use super::{Autoencoder, CURVE_POINTS};
use crate::autoencoder::small::Space;
use crate::autoencoder::{CurvePoint, DecoderState, Expected, MemoryPlan, Trainer, Training, look};
use crate::codec::{Decoder, FitPoint, Learned, SetupJob};
use crate::gpu::Gpu;
use crate::model::OptimizerKind;
use crate::model::state::TensorShape;
use crate::run::Run;
use crate::training::Snapshots;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// Most bytes of weights and moments that are trained in the same dispatches: a fixed number, so that a run
/// does not depend on how much memory happens to be free.
const MOST_TOGETHER: usize = 2 << 30;

impl Autoencoder {
    /// How many train together, of collaborators with so many snapshots each: as many as are not too large, and of
    /// those half as often as it takes for the device's bindings to hold them.
    fn group(&self, gpu: &Gpu, collaborators: usize, snapshots: usize) -> Expected<'_> {
        let settings = self.trainer_settings();
        let (optimizer, parameters) = (settings.optimizer, self.shape.parameters());
        let moments = if optimizer.kind == OptimizerKind::Sgd { 1 } else { 2 };
        let words = parameters + moments * optimizer.moments.words(parameters);
        let together = (MOST_TOGETHER / (4 * words)).clamp(1, collaborators.max(1));
        let of = |collaborators: usize| Expected {
            spec: &self.shape,
            settings,
            space: Space::Wide,
            collaborators,
            train: snapshots,
            held_out: 0,
        };
        let halves = std::iter::successors(Some(together), |&count| (count > 1).then(|| count.div_ceil(2)));
        halves.map(of).find(|expected| expected.plan(gpu).is_ok()).unwrap_or_else(|| of(1))
    }

    /// Refuses snapshots that the device has no room for, those of a single collaborator or a group's weights.
    pub(super) fn check_room_wide(&self, gpu: &Gpu, collaborators: usize, snapshots: usize) -> Result<()> {
        self.group(gpu, collaborators, snapshots).check(gpu, "prepass.snapshot_every")
    }

    /// Trains them and ships each decoder.
    pub(super) fn learn_wide(&self, job: &mut SetupJob<'_, '_>) -> Result<Vec<Vec<u8>>> {
        let most = job.logs.iter().map(Snapshots::len).max().unwrap_or(0);
        let together = self.group(job.gpu, job.logs.len(), most).collaborators;
        let (mut curves, mut shipped) = (Vec::new(), Vec::new());
        for (first, group) in job.logs.chunks(together).enumerate().map(|(n, group)| (n * together, group)) {
            let name = format!("{}-{first}", job.name);
            let (trainer, points) = train(self, job.run, &name, group)?;
            curves.extend(points);
            let parameters = trainer.network().parameters.read(job.gpu)?;
            let standards = trainer.read_standards()?;
            // What is trained next needs the room.
            drop(trainer);
            let each = parameters.into_iter().zip(standards).zip(&mut job.kept[first..]);
            for ((mut parameters, standard), kept) in each {
                shipped.push(DecoderState::of(&self.shape, &parameters, &standard).to_bytes());
                parameters.truncate(self.shape.parameters() - self.shape.decoder_parameters());
                parameters.shrink_to_fit();
                keep_encoder(kept, parameters, &standard);
            }
        }
        *job.learned = Learned { decoder: Decoder::Dense, curves };
        Ok(shipped)
    }
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Notes {
    /// One for each of the group.
    curves: Vec<Vec<CurvePoint>>,
    taken: Vec<u64>,
}

/// Trains those of a group at once; it can be left at each look.
fn train(
    stage: &Autoencoder,
    run: &mut Run<'_>,
    name: &str,
    group: &[Snapshots],
) -> Result<(Trainer, Vec<Vec<FitPoint>>)> {
    let gpu = run.gpu()?;
    let rows: Vec<_> = group.iter().map(Snapshots::rows).collect();
    let none = vec![Vec::new(); group.len()];
    let (shape, settings, epochs) = (&stage.shape, stage.trainer_settings(), stage.settings.epochs);
    let training = Training { spec: shape, train: &rows, held_out: &none, settings, space: Space::Wide };
    MemoryPlan::of(gpu, &training)?.check_spec(&training)?;
    let mut trainer = Trainer::new(gpu, shape, &rows, &none, settings)?;
    let mut notes = Notes { curves: vec![Vec::new(); group.len()], taken: Vec::new() };
    let last = |notes: &Notes| {
        notes.curves.first().and_then(|curve| curve.last()).map_or((0, 0.0), |p| (p.epoch, p.seconds))
    };
    if let Some((saved, file)) = run.load::<Notes>(name)? {
        notes = saved;
        trainer.resume(&file, &notes.taken, last(&notes).0)?;
    }
    let mut seconds = last(&notes).1;
    let every = epochs.div_ceil(CURVE_POINTS);
    run.observer.begin("autoencoders", "epochs", epochs as u64);
    run.observer.advance(trainer.epochs());
    while (trainer.epochs() as usize) < epochs {
        let now = every.min(epochs - trainer.epochs() as usize);
        let start = Instant::now();
        trainer.train(now, &mut |finished| run.observer.advance(u64::from(finished)))?;
        seconds += start.elapsed().as_secs_f64();
        let points = look(&mut trainer, now, seconds)?;
        if let Some(point) = points.iter().find(|point| !point.loss.is_finite()) {
            let problem = format!("an autoencoder diverged by epoch {}", point.epoch);
            return Err(Error::setting("autoencoder.optimizer.lr", problem, "use a smaller rate"));
        }
        let mean =
            |value: fn(&CurvePoint) -> f64| points.iter().map(value).sum::<f64>() / points.len() as f64;
        run.observer.note(&format!(
            "loss {:.4}  relative L2 {:.3}",
            mean(|p| p.loss),
            mean(|p| p.relative_l2)
        ));
        notes.curves.iter_mut().zip(&points).for_each(|(curve, point)| curve.push(*point));
        if trainer.epochs() as usize == epochs {
            save(run, name, &notes, &trainer)?;
        }
        let bytes = trainer.network().state_shapes().iter().map(TensorShape::bytes).sum();
        run.pause(bytes, |run| save(run, name, &notes, &trainer))?;
    }
    run.observer.end();
    let curves = notes.curves.iter().map(|curve| curve.iter().map(FitPoint::from).collect()).collect();
    Ok((trainer, curves))
}

/// Saves what a group's training goes on from.
fn save(run: &mut Run<'_>, stage: &str, notes: &Notes, trainer: &Trainer) -> Result<()> {
    let (gpu, network) = (run.gpu()?, trainer.network());
    let notes = Notes { taken: trainer.taken().to_vec(), ..notes.clone() };
    run.save(stage, &notes, &network.state_shapes(), |file| network.put_state(gpu, file))
}
