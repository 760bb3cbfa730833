//! The one loop that trains autoencoders: it looks at how far they are every so many epochs, and can be left and gone
//! on with at each look.

use super::looks::check_looks;
use super::{AutoencoderSettings, CurvePoint, Learner, LearnerState, Source};
use crate::model::state::{StateFile, TensorShape};
use crate::run::Run;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// The curve of each collaborator's training.
pub type Curves = Vec<Vec<CurvePoint>>;

/// Follows a training.
pub trait Watcher {
    /// Writes a point where the run keeps it; those of an earlier start come first.
    fn log(&mut self, run: &mut Run<'_>, point: &CurvePoint) -> Result<()> {
        let _ = (run, point);
        Ok(())
    }

    /// Shows a point that is new.
    fn show(&mut self, point: &CurvePoint) {
        let _ = point;
    }

    /// Whether a look at a training in the small space measures at full width, which expands the network.
    fn expands(&self, is_last: bool) -> bool {
        let _ = is_last;
        false
    }

    /// A checkpoint is due after every so many epochs, before the end; 0 for none.
    fn checkpoint_every(&self) -> usize {
        0
    }

    /// Saves what there is at a checkpoint.
    fn checkpoint(&mut self, learner: &Learner) -> Result<()> {
        let _ = learner;
        Ok(())
    }

    /// Whether the end is saved too, since what comes of it is kept nowhere else for now.
    fn saves_end(&self) -> bool {
        false
    }

    /// Where the settings were given.
    fn source(&self) -> Source {
        Source::Table
    }
}

/// A training as the run keeps it.
#[derive(Serialize, Deserialize)]
struct Notes {
    curves: Curves,
    /// Nothing once it is finished, and what it came to lies elsewhere.
    state: Option<LearnerState>,
}

/// The curves of a training that was [finished](finish).
pub fn finished(run: &mut Run<'_>, stage: &str, settings: &AutoencoderSettings) -> Result<Option<Curves>> {
    match run.load::<Notes>(stage)? {
        Some((Notes { curves, state: None }, file)) => {
            let last = check_curves(&file, &curves, settings)?;
            if last < settings.epochs as u64 {
                return Err(file.damaged(format!("it is finished at epoch {last} of {}", settings.epochs)));
            }
            Ok(Some(curves))
        }
        _ => Ok(None),
    }
}

/// Refuses curves that are not those of such a training; gives the epoch that all of them end at.
pub fn check_curves(
    file: &StateFile,
    curves: &[Vec<CurvePoint>],
    settings: &AutoencoderSettings,
) -> Result<u64> {
    let ends = curves.iter().map(|curve| {
        let looks = curve.iter().map(|point| point.epoch);
        check_looks(file, looks, settings.look_every(), settings.epochs)
    });
    let ends = ends.collect::<Result<Vec<_>>>()?;
    match ends.as_slice() {
        [first, others @ ..] if others.iter().all(|end| end == first) => Ok(*first),
        _ => Err(file.damaged("its curves end at different epochs, or there are none")),
    }
}

/// Keeps that a training is finished, in place of what it would go on from.
pub fn finish(run: &mut Run<'_>, stage: &str, curves: &Curves) -> Result<()> {
    run.save(stage, &Notes { curves: curves.clone(), state: None }, &[], |_| Ok(()))
}

/// Saves what a training goes on from.
fn save(run: &mut Run<'_>, stage: &str, learner: &Learner, curves: &Curves) -> Result<()> {
    let gpu = run.gpu()?;
    let notes = Notes { curves: curves.clone(), state: Some(learner.state()) };
    run.save(stage, &notes, &learner.state_shapes(), |file| learner.put_state(gpu, file))
}

/// Trains all epochs, or those that are left of what the run has saved as `stage`. The observer hears of epochs, within
/// a piece of work that the caller begins and ends.
pub fn learn(
    run: &mut Run<'_>,
    stage: &str,
    learner: &mut Learner,
    watcher: &mut dyn Watcher,
) -> Result<Curves> {
    let (epochs, look_every) = (learner.settings().epochs, learner.settings().look_every());
    let checkpoint_every = watcher.checkpoint_every();
    let mut seconds = learner.seconds_before();
    let mut curves: Curves = vec![Vec::new(); learner.standards().len()];
    if let Some((Notes { curves: saved, state: Some(state) }, file)) = run.load(stage)? {
        if saved.len() != curves.len() {
            return Err(file.damaged(format!(
                "it has the curves of {} collaborators of {}",
                saved.len(),
                curves.len()
            )));
        }
        let last = check_curves(&file, &saved, learner.settings())?;
        learner.resume(&state, last, &file)?;
        saved.iter().flatten().try_for_each(|point| watcher.log(run, point))?;
        seconds += saved.first().and_then(|curve| curve.last()).map_or(0.0, |point| point.seconds);
        curves = saved;
    }
    let mut done = learner.epochs() as usize;
    let mut looked = done;
    run.observer.advance(done as u64);
    while done < epochs {
        let to_next = |every: usize| if every == 0 { epochs } else { every - done % every };
        let now = to_next(look_every).min(to_next(checkpoint_every)).min(epochs - done);
        let start = Instant::now();
        learner.train(now, &mut |finished| run.observer.advance(u64::from(finished)))?;
        done += now;
        let is_last = done == epochs;
        let is_look = is_last || done.is_multiple_of(look_every);
        let expands = is_look && watcher.expands(is_last);
        if expands {
            learner.expand()?;
            run.gpu()?.wait()?;
        }
        seconds += start.elapsed().as_secs_f64();
        if is_look {
            let points = learner.look(done - looked, seconds, expands)?;
            looked = done;
            run.observer.note(&note(&points));
            for point in &points {
                watcher.log(run, point)?;
                watcher.show(point);
                check(point, watcher.source())?;
            }
            curves.iter_mut().zip(points).for_each(|(curve, point)| curve.push(point));
            if !is_last {
                let bytes = learner.state_shapes().iter().map(TensorShape::bytes).sum();
                run.pause(bytes, |run| save(run, stage, learner, &curves))?;
            } else if watcher.saves_end() {
                save(run, stage, learner, &curves)?;
                run.pause(0, |_| Ok(()))?;
            }
        }
        // After the look, which ends a training that has diverged.
        if checkpoint_every > 0 && !is_last && done.is_multiple_of(checkpoint_every) {
            watcher.checkpoint(learner)?;
        }
    }
    Ok(curves)
}

/// Where all collaborators are in the mean.
fn note(points: &[CurvePoint]) -> String {
    let mean = |value: fn(&CurvePoint) -> f64| points.iter().map(value).sum::<f64>() / points.len() as f64;
    let text = format!("loss {:.4}  relative L2 {:.3}", mean(|p| p.loss), mean(|p| p.relative_l2));
    if points.iter().any(|point| point.validation_relative_l2.is_none()) {
        return text;
    }
    let held_out = mean(|point| point.validation_relative_l2.unwrap_or(f64::NAN));
    format!("{text}, held out {held_out:.3}")
}

fn check(point: &CurvePoint, source: Source) -> Result<()> {
    if point.loss.is_finite() {
        return Ok(());
    }
    let problem = format!("training diverged by epoch {} (the loss is {})", point.epoch, point.loss);
    Err(Error::setting(source.field("optimizer.lr"), problem, "use a smaller rate"))
}
