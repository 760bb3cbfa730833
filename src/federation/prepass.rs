//! Before the first round: everybody trains alone and logs weights, then learns to compress them.

use super::collaborators::{Collaborators, LocalWork};
use super::spec::SimulationSpec;
use crate::codec::autoencoder::{CurvePoint, Pace, Trainer, TrainerSettings, train_with_curve};
use crate::gpu::Gpu;
use crate::model::AutoencoderSpec;
use crate::progress::Observer;
use crate::training::Snapshots;
use crate::{Error, Result};

/// Points on the curve of the autoencoders' training.
const CURVE_POINTS: usize = 40;

/// Epoch numbers of the pre-pass are kept apart from those of the rounds, so that no order is used twice.
const FIRST_EPOCH: u64 = 1 << 32;

/// Trains every collaborator in isolation from the same global model; gives each one's snapshots.
pub fn log_weights(
    collaborators: &mut Collaborators<'_>,
    spec: &SimulationSpec,
    global: &[f32],
    observer: &mut dyn Observer,
) -> Result<Vec<Snapshots>> {
    let epochs = spec.prepass.epochs.unwrap_or(0);
    observer.begin("pre-pass", "steps", collaborators.steps(epochs));
    let work = LocalWork { epochs, first_epoch: FIRST_EPOCH, snapshots: Some(spec.prepass.snapshot_every) };
    let trained = collaborators.train(global, work, &mut |steps| observer.advance(u64::from(steps)))?;
    let snapshots: Vec<_> = trained.into_iter().map(|t| t.snapshots).collect();
    let fewest = check_snapshots(&snapshots)?;
    observer.note(&format!("{fewest} snapshots each"));
    observer.end();
    Ok(snapshots)
}

/// Refuses logs that there is nothing to learn from; gives the length of the shortest.
pub fn check_snapshots(snapshots: &[Snapshots]) -> Result<usize> {
    let fewest = snapshots.iter().map(Snapshots::len).min().unwrap_or(0);
    if fewest >= 2 {
        return Ok(fewest);
    }
    Err(Error::setting(
        "prepass.snapshot_every",
        format!("the pre-pass leaves {fewest} snapshots, too few to learn from"),
        "take them more often, or train for longer",
    ))
}

/// Trains one autoencoder for each collaborator on its own snapshots, all at once.
pub fn train_autoencoders<'g>(
    gpu: &'g Gpu,
    spec: &SimulationSpec,
    autoencoder: &AutoencoderSpec,
    snapshots: &[Snapshots],
    observer: &mut dyn Observer,
) -> Result<(Trainer<'g>, Vec<Vec<CurvePoint>>)> {
    let rows: Vec<_> = snapshots.iter().map(Snapshots::rows).collect();
    let none = vec![Vec::new(); snapshots.len()];
    let settings = TrainerSettings {
        optimizer: spec.autoencoder.optimizer,
        batch: spec.autoencoder.batch,
        seed: spec.seed,
    };
    let mut trainer = Trainer::new(gpu, autoencoder, &rows, &none, settings)?;
    let mut curves = vec![Vec::new(); snapshots.len()];
    let epochs = spec.autoencoder.epochs;
    let pace = Pace { epochs, look_every: epochs.div_ceil(CURVE_POINTS), checkpoint_every: 0 };
    let point = |replica: usize, point: &CurvePoint| {
        curves[replica].push(*point);
        if point.loss.is_finite() {
            return Ok(());
        }
        let problem = format!("an autoencoder diverged by epoch {}", point.epoch);
        Err(Error::setting("autoencoder.optimizer.lr", problem, "use a smaller rate"))
    };
    train_with_curve(&mut trainer, pace, "autoencoders", observer, point, |_| Ok(()))?;
    Ok((trainer, curves))
}
