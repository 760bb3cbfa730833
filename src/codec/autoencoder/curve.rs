//! Training with a look at how far it is, every so many epochs.

use super::Trainer;
use crate::Result;
use crate::progress::Observer;
use serde::Serialize;
use std::time::Instant;

/// How far one collaborator's autoencoder is.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CurvePoint {
    /// Epochs trained.
    pub epoch: u64,
    /// Mean squared error of the standardised training snapshots, averaged over the epochs since the
    /// point before.
    pub loss: f64,
    /// The same of the held-out snapshots, as they come back now.
    pub validation_loss: Option<f64>,
    /// Error of the training snapshots relative to what their mean leaves; 1 is "learned the mean only".
    pub relative_l2: f64,
    /// The same of the held-out snapshots.
    pub validation_relative_l2: Option<f64>,
    /// Part of the training snapshots whose largest weight is where it was (the paper's "accuracy").
    pub argmax_match: f64,
    /// The same of the held-out snapshots.
    pub validation_argmax_match: Option<f64>,
    /// Steps taken.
    pub steps: u64,
    /// Seconds spent training, looking excluded.
    pub seconds: f64,
}

/// Trains for `epochs` epochs and looks every `every` epochs and at the end. `point(r, p)` hears what
/// collaborator `r` came to.
pub fn train_with_curve(
    trainer: &mut Trainer<'_>,
    epochs: usize,
    every: usize,
    what: &str,
    observer: &mut dyn Observer,
    mut point: impl FnMut(usize, &CurvePoint) -> Result<()>,
) -> Result<()> {
    observer.begin(what, "epochs", epochs as u64);
    let mut done = 0;
    let mut seconds = 0.0;
    while done < epochs {
        let now = every.max(1).min(epochs - done);
        let start = Instant::now();
        trainer.train(now, &mut |finished| observer.advance(u64::from(finished)))?;
        seconds += start.elapsed().as_secs_f64();
        done += now;
        let losses = trainer.take_losses(now)?;
        let (train, held_out) = (trainer.measure_train()?, trainer.measure_held_out()?);
        for (replica, (loss, measured)) in losses.iter().zip(&train).enumerate() {
            let held_out = held_out.as_ref().map(|all| all[replica]);
            point(
                replica,
                &CurvePoint {
                    epoch: trainer.epochs(),
                    loss: *loss,
                    validation_loss: held_out.map(|m| m.loss),
                    relative_l2: measured.relative_l2,
                    validation_relative_l2: held_out.map(|m| m.relative_l2),
                    argmax_match: measured.argmax_match,
                    validation_argmax_match: held_out.map(|m| m.argmax_match),
                    steps: trainer.steps(),
                    seconds,
                },
            )?;
        }
        let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / train.len() as f64;
        observer.note(&format!(
            "loss {:.4}  relative L2 {:.3}",
            mean(&mut train.iter().map(|m| m.loss)),
            mean(&mut train.iter().map(|m| m.relative_l2)),
        ));
    }
    observer.end();
    Ok(())
}
