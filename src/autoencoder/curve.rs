//! Training with a look at how far it is, every so many epochs.

use super::Trainer;
use crate::Result;
use crate::progress::Observer;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// How far one collaborator's autoencoder is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
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

/// How long to train, and when to stop on the way, in epochs.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many there are.
    pub epochs: usize,
    /// A look at how far it is after every so many, and at the end.
    pub look_every: usize,
    /// A checkpoint after every so many, before the end; 0 for none.
    pub checkpoint_every: usize,
}

impl Pace {
    /// Epochs from `done` to the next stop.
    fn to_next_stop(self, done: usize) -> usize {
        let to_multiple = |every: usize| every - done % every;
        let left = self.epochs - done;
        let look = left.min(to_multiple(self.look_every.max(1)));
        if self.checkpoint_every > 0 { look.min(to_multiple(self.checkpoint_every)) } else { look }
    }

    fn is_look(self, done: usize) -> bool {
        done == self.epochs || done.is_multiple_of(self.look_every.max(1))
    }

    fn is_checkpoint(self, done: usize) -> bool {
        self.checkpoint_every > 0 && done < self.epochs && done.is_multiple_of(self.checkpoint_every)
    }
}

/// Who follows a training.
pub trait Watcher {
    /// Hears of progress.
    fn observer(&mut self) -> &mut dyn Observer;

    /// Hears after each look what each collaborator came to. An error ends the training.
    fn looked(&mut self, trainer: &Trainer, points: &[CurvePoint]) -> Result<()>;

    /// Saves what there is, where that is due.
    fn checkpoint(&mut self, trainer: &Trainer) -> Result<()>;
}

/// Trains what is left of `pace`, and looks and saves in between. `seconds` is how long the epochs before took.
pub fn train_with_curve(
    trainer: &mut Trainer,
    pace: Pace,
    what: &str,
    mut seconds: f64,
    watcher: &mut dyn Watcher,
) -> Result<()> {
    watcher.observer().begin(what, "epochs", pace.epochs as u64);
    let mut done = trainer.epochs() as usize;
    let mut looked = done;
    watcher.observer().advance(done as u64);
    while done < pace.epochs {
        let now = pace.to_next_stop(done);
        let start = Instant::now();
        let observer = watcher.observer();
        trainer.train(now, &mut |finished| observer.advance(u64::from(finished)))?;
        seconds += start.elapsed().as_secs_f64();
        done += now;
        if pace.is_look(done) {
            let points = look(trainer, done - looked, seconds)?;
            looked = done;
            let mean =
                |value: fn(&CurvePoint) -> f64| points.iter().map(value).sum::<f64>() / points.len() as f64;
            let (loss, error) = (mean(|p| p.loss), mean(|p| p.relative_l2));
            watcher.observer().note(&format!("loss {loss:.4}  relative L2 {error:.3}"));
            watcher.looked(trainer, &points)?;
        }
        // After the look, which ends a training that has diverged.
        if pace.is_checkpoint(done) {
            watcher.checkpoint(trainer)?;
        }
    }
    watcher.observer().end();
    Ok(())
}

/// How far each collaborator's autoencoder is, `epochs` epochs after the last look and `seconds` seconds
/// into the training.
pub fn look(trainer: &mut Trainer, epochs: usize, seconds: f64) -> Result<Vec<CurvePoint>> {
    let losses = trainer.take_losses(epochs)?;
    let (train, held_out) = (trainer.measure_train()?, trainer.measure_held_out()?);
    let each = losses.iter().zip(&train).enumerate().map(|(replica, (&loss, measured))| {
        let held_out = held_out.as_ref().map(|all| all[replica]);
        CurvePoint {
            epoch: trainer.epochs(),
            loss,
            validation_loss: held_out.map(|m| m.loss),
            relative_l2: measured.relative_l2,
            validation_relative_l2: held_out.map(|m| m.relative_l2),
            argmax_match: measured.argmax_match,
            validation_argmax_match: held_out.map(|m| m.argmax_match),
            steps: trainer.steps(),
            seconds,
        }
    });
    Ok(each.collect())
}
