//! The loop over rounds, which can be left after each.

use super::asynchronous::{expected_steps, play_step};
use super::participants::Participants;
use super::results::{GlobalTest, RoundResult};
use super::round::play_round;
use super::state::Federation;
use super::stop::is_over;
use crate::Result;
use crate::progress::RoundDone;
use crate::report::format;
use crate::run::Run;
use crate::training::SnapshotEvery;
use serde::Serialize;
use std::ops::RangeInclusive;
use std::time::Instant;

/// A round in the metrics.
#[derive(Serialize)]
struct Line<'a> {
    run: &'a str,
    #[serde(flatten)]
    round: &'a RoundResult,
}

/// Writes a round of the federation of this label into the run's metrics, and shows it. It plays `rounds` of them at most.
pub fn log_round(run: &mut Run<'_>, label: &str, round: &RoundResult, rounds: u32) -> Result<()> {
    run.log(&Line { run: label, round })?;
    run.observer.round(&RoundDone {
        label,
        round: round.round,
        rounds,
        accuracy: round.tested.as_ref().map(GlobalTest::accuracy),
        bytes: round.bytes_up + round.bytes_down,
    });
    Ok(())
}

/// Which rounds are played, and as what.
pub struct RoundPlan<'a> {
    /// The name of the stage that they are.
    pub stage: &'a str,
    /// Their name on the progress bar.
    pub what: &'a str,
    /// The last of them; the first is the one after those of the state.
    pub last: u32,
    /// When to log snapshots inside them.
    pub snapshots: Option<SnapshotEvery>,
    /// Whether they go into the metrics now. Rounds that several federations have in common go there with each of
    /// these.
    pub is_logged: bool,
}

/// Plays rounds; they can be left after each.
pub fn play(
    participants: &mut Participants,
    run: &mut Run<'_>,
    federation: &mut Federation,
    plan: &RoundPlan<'_>,
) -> Result<()> {
    let first = federation.state.rounds.len() as u32 + 1;
    let steps = steps(participants, federation, first..=plan.last);
    run.observer.begin(plan.what, "steps", steps);
    for round in first..=plan.last {
        if is_over(&participants.spec, &federation.state.rounds) {
            break;
        }
        let start = Instant::now();
        let result = if participants.spec.asynchrony.is_some() {
            play_step(participants, run.observer, federation, round)?
        } else {
            play_round(participants, run.observer, federation, round, plan.snapshots)?
        };
        run.observer.note(&said(&result, plan.last));
        if plan.is_logged {
            log_round(run, federation.pipeline.label(), &result, plan.last)?;
        }
        federation.state.rounds.push(result);
        federation.settle()?;
        federation.state.seconds += start.elapsed().as_secs_f64();
        let is_due = participants.spec.save_every.is_some_and(|every| round.is_multiple_of(every));
        if is_due || round == plan.last || is_over(&participants.spec, &federation.state.rounds) {
            federation.save(run, plan.stage)?;
        }
        run.pause(federation.bytes(), |run| federation.save(run, plan.stage))?;
    }
    run.observer.end();
    Ok(())
}

/// Steps of these rounds, cohort after cohort.
fn steps(participants: &Participants, federation: &Federation, mut rounds: RangeInclusive<u32>) -> u64 {
    let Participants { spec, collaborators, .. } = participants;
    if spec.asynchrony.is_some() {
        return expected_steps(participants, federation, rounds.count() as u64);
    }
    let samples = collaborators.all_samples();
    let losses = u64::from(federation.strategy.combine.wants_loss());
    let epochs = federation.rules.local_epochs + federation.pipeline.epochs() + losses;
    let of = |round| collaborators.steps(&spec.participants(round, 0, &samples)) * epochs;
    match spec.participation {
        Some(_) => rounds.map(of).sum(),
        // The same in each.
        None => rounds.next().map_or(0, of) * (rounds.count() as u64 + 1),
    }
}

/// What the progress bar says of a round.
fn said(result: &RoundResult, last: u32) -> String {
    let accuracy = match result.tested {
        Some(tested) => {
            let gray = tested.grayscale_test_accuracy;
            let gray = gray.map_or(String::new(), |gray| format!(", without colours {:.1} %", gray * 100.0));
            format!("accuracy {:.1} %{gray}", tested.test_accuracy * 100.0)
        }
        None => result.train_loss.map_or("nobody trained".into(), |loss| format!("training loss {loss:.4}")),
    };
    let [up, down] = [result.bytes_up, result.bytes_down].map(format::bytes);
    format!("round {}/{last}: {accuracy}, {up} up, {down} down", result.round)
}
