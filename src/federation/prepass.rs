//! Before anything is compressed: weights are logged, of collaborators that train alone or in the first
//! rounds.

use super::due::Due;
use super::logs::{TakenAt, log_shapes, put_logs, take_logs, taken_at};
use super::participants::Participants;
use super::play::{RoundPlan, play};
use super::spec::PrepassKind;
use super::state::{Federation, FederationState};
use crate::model::state::{StateFile, TensorShape};
use crate::run::Run;
use crate::training::{CohortEpoch, Snapshots};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The stage's name.
const STAGE: &str = "prepass";

/// The number of the first epoch of a pre-pass in isolation. Its numbers are kept apart from those of the rounds, so that
/// no order is used twice.
pub const PREPASS_EPOCH: u64 = 1 << 32;

/// Logs the collaborators' weights. `begun` is the federation before its first round; afterwards it is where all
/// federations that learn go on from.
pub fn log_weights(participants: &mut Participants, run: &mut Run<'_>, begun: &mut Federation) -> Result<()> {
    match participants.spec.prepass()?.kind {
        PrepassKind::Isolated => alone(participants, run, &mut begun.state)?,
        PrepassKind::Federated => together(participants, run, begun)?,
    }
    Ok(())
}

/// How far a pre-pass in isolation is.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct PrepassNotes {
    /// The number of the cohort that trains.
    cohort: usize,
    /// Epochs and steps that it has trained.
    epochs: u64,
    steps: u64,
    taken: Vec<u64>,
    taken_at: Vec<TakenAt>,
}

impl PrepassNotes {
    /// Reads the logs of a state, whose notes these are, into empty ones. `cohorts` are the numbers of collaborators
    /// of the cohorts that train one after the other. Errors where the state is not one that the pre-pass comes to.
    pub(super) fn take_logs(
        &self,
        file: &StateFile,
        logs: &mut [Snapshots],
        due: &Due,
        cohorts: &[usize],
    ) -> Result<()> {
        self.check(due, cohorts)?.map_err(|problem| file.damaged(problem))?;
        let first: usize = cohorts[..self.cohort].iter().sum();
        let all = due.spec.prepass()?.epochs.unwrap_or(0);
        let trained = cohorts.get(self.cohort).map_or(0, |count| first + count);
        let epochs = |place: usize| match place {
            place if place < first => all,
            place if place < trained => self.epochs,
            _ => 0,
        };
        take_logs(file, logs, due.width, &self.taken_at, &due.alone(epochs)?)
    }

    fn check(&self, due: &Due, cohorts: &[usize]) -> Result<std::result::Result<(), String>> {
        let epochs = due.spec.prepass()?.epochs.unwrap_or(0);
        let is_begun = self.cohort > 0 || self.epochs > 0;
        let is_within = if self.cohort < cohorts.len() { self.epochs < epochs } else { self.epochs == 0 };
        if self.cohort > cohorts.len() || !is_begun || !is_within {
            let (cohort, last) = (self.cohort, cohorts.len());
            let problem = format!("epoch {} of cohort {cohort} is none of {epochs} of {last}", self.epochs);
            return Ok(Err(problem));
        }
        // Where a cohort has come to its end, the state is its last one.
        let (cohort, trained) =
            if self.epochs > 0 { (self.cohort, self.epochs) } else { (self.cohort - 1, epochs) };
        let first: usize = cohorts[..cohort].iter().sum();
        let steps = &due.steps[first..first + cohorts[cohort]];
        let longest = steps.iter().max().copied().unwrap_or(0);
        let taken = self.taken.iter().copied();
        let rest = self.taken.len().saturating_sub(steps.len());
        let due = steps.iter().map(|steps| steps * trained).chain(std::iter::repeat_n(0, rest));
        if self.steps == longest * self.epochs && taken.eq(due) {
            return Ok(Ok(()));
        }
        Ok(Err(format!("{} steps, {:?} of each, are not those of its epochs", self.steps, self.taken)))
    }
}

/// Every collaborator trains alone from the same model; it can be left after each epoch.
fn alone(participants: &mut Participants, run: &mut Run<'_>, begun: &mut FederationState) -> Result<()> {
    let Participants { spec, collaborators, .. } = participants;
    let due = Due::of(spec, collaborators, begun.global.len()).of_loggers();
    let prepass = spec.prepass()?;
    let epochs = prepass.epochs.unwrap_or(0);
    let every = Some(prepass.snapshot_every);
    let cohorts = collaborators.cohorts(&due.ids);
    let steps_of: Vec<_> = cohorts.iter().map(|cohort| collaborators.steps_of(cohort)).collect();
    let mut logs = collaborators.no_snapshots(due.ids.len());
    let mut notes = PrepassNotes::default();
    if let Some((saved, file)) = run.load::<PrepassNotes>(STAGE)? {
        let places: Vec<_> = cohorts.iter().map(Vec::len).collect();
        saved.take_logs(&file, &mut logs, &due, &places)?;
        file.resumed(collaborators.resume(&file, &saved.taken))?;
        notes = saved;
    }
    run.observer.begin("pre-pass", "steps", steps_of.iter().sum::<u64>() * epochs);
    run.observer.advance(steps_of[..notes.cohort].iter().sum::<u64>() * epochs + notes.steps);
    while let Some(cohort) = cohorts.get(notes.cohort) {
        if notes.epochs == 0 {
            collaborators.restart_from(&begun.global)?;
        }
        let epoch = CohortEpoch {
            number: PREPASS_EPOCH + notes.epochs,
            owners: cohort,
            epochs_before: notes.epochs,
            snapshots: every,
        };
        let progress = &mut |steps| run.observer.advance(u64::from(steps));
        let first: usize = cohorts[..notes.cohort].iter().map(Vec::len).sum();
        let tallies = collaborators.epoch(epoch, &mut logs[first..first + cohort.len()], progress)?;
        notes.epochs += 1;
        notes.steps += steps_of[notes.cohort];
        let loss = tallies.iter().map(|t| t.loss).sum::<f64>() / tallies.len() as f64;
        if !loss.is_finite() {
            let problem = format!("training diverged in epoch {} of the pre-pass", notes.epochs);
            return Err(Error::setting("optimizer.lr", problem, "use a smaller rate"));
        }
        run.observer.note(&format!("epoch {}/{epochs}: train loss {loss:.4}", notes.epochs));
        if notes.epochs == epochs {
            notes = PrepassNotes { cohort: notes.cohort + 1, ..PrepassNotes::default() };
        }
        let is_over = notes.cohort == cohorts.len();
        let tensors = [collaborators.state_shapes(), log_shapes(&logs)].concat();
        let bytes = tensors.iter().map(TensorShape::bytes).sum();
        let mut save = |run: &mut Run<'_>| {
            let gpu = run.gpu()?;
            notes.taken = collaborators.taken().to_vec();
            notes.taken_at = taken_at(&logs);
            run.save(STAGE, &notes, &tensors, |file| {
                collaborators.put_state(gpu, file)?;
                put_logs(file, &logs)
            })
        };
        if is_over {
            save(run)?;
        }
        run.pause(bytes, save)?;
    }
    let fewest = logs.iter().map(Snapshots::len).min().unwrap_or(0);
    run.observer.note(&format!("{fewest} snapshots each"));
    run.observer.end();
    begun.snapshots = logs;
    Ok(())
}

/// Rounds like those of the raw federation, with its bytes, and weights logged inside them.
fn together(participants: &mut Participants, run: &mut Run<'_>, begun: &mut Federation) -> Result<()> {
    begun.state.snapshots = participants.collaborators.no_snapshots(participants.spec.collaborators);
    let (spec, collaborators) = (&participants.spec, &participants.collaborators);
    let due = Due::of(spec, collaborators, begun.state.global.len());
    begun.load(run, STAGE, &due, spec.raw_rounds())?;
    let plan = RoundPlan {
        stage: STAGE,
        what: "uncompressed rounds",
        last: participants.spec.raw_rounds(),
        snapshots: Some(participants.spec.prepass()?.snapshot_every),
        is_logged: false,
    };
    play(participants, run, begun, &plan)
}
