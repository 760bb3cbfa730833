//! Rounds of FedAvg (McMahan et al. 2017) with whatever codec is on the wire.

use super::clients::LocalWork;
use super::ledger::Direction;
use super::participants::Participants;
use super::results::RoundResult;
use super::spec::{Codec, LocalTests};
use super::state::FederationState;
use super::wire::Wire;
use crate::codec::{Message, MessageKind, bytes_to_floats, floats_to_bytes};
use crate::progress::Observer;
use crate::run::Run;
use crate::training::SnapshotEvery;
use crate::{Error, Result};
use serde::Serialize;

/// A round in the metrics.
#[derive(Serialize)]
struct Line<'a> {
    run: &'static str,
    #[serde(flatten)]
    round: &'a RoundResult,
}

/// Says a round in the run's metrics.
pub fn log_round(run: &mut Run<'_>, codec: Codec, round: &RoundResult) -> Result<()> {
    run.log(&Line { run: codec.run(), round })
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
    state: &mut FederationState,
    plan: &RoundPlan<'_>,
    wire: &mut Wire,
) -> Result<()> {
    let steps = participants.collaborators.steps(participants.spec.local_epochs);
    let first = state.rounds.len() as u32 + 1;
    run.observer.begin(plan.what, "steps", steps * u64::from((plan.last + 1).saturating_sub(first)));
    for round in first..=plan.last {
        let result = play_round(participants, run.observer, state, (round, plan.snapshots), wire)?;
        let gray = result.grayscale_test_accuracy;
        run.observer.note(&format!(
            "round {round}/{}: accuracy {:.1} %{}",
            plan.last,
            result.test_accuracy * 100.0,
            gray.map_or(String::new(), |gray| format!(", without colours {:.1} %", gray * 100.0)),
        ));
        if plan.is_logged {
            log_round(run, state.codec, &result)?;
        }
        state.rounds.push(result);
        if round == plan.last {
            state.save(run, plan.stage)?;
        }
        run.pause(state.bytes(), |run| state.save(run, plan.stage))?;
    }
    run.observer.end();
    Ok(())
}

/// Plays one round. Nothing of it is logged or saved.
pub fn play_round(
    participants: &mut Participants,
    observer: &mut dyn Observer,
    state: &mut FederationState,
    (round, snapshots): (u32, Option<SnapshotEvery>),
    wire: &mut Wire,
) -> Result<RoundResult> {
    let Participants { spec, collaborators, tests } = participants;
    let samples = collaborators.samples();
    let codec = state.codec;
    let mut arrived = Vec::new();
    for collaborator in 0..collaborators.len() as u32 {
        let payload = floats_to_bytes(&state.global);
        let message = Message { kind: MessageKind::GlobalModel, round, collaborator, payload };
        arrived = state.ledger.send(codec, Direction::Down, &message)?.payload;
    }
    // The same bytes reached everybody.
    let start = bytes_to_floats(&arrived, state.global.len(), "a global model")?;
    let work = LocalWork {
        epochs: spec.local_epochs,
        first_epoch: u64::from(round - 1) * spec.local_epochs,
        snapshots,
        tests: (spec.local_tests == LocalTests::Epoch).then_some(&*tests),
    };
    let trained = collaborators.train(&start, work, &mut |steps| observer.advance(u64::from(steps)))?;
    if snapshots.is_some() {
        for ((log, trained), &images) in state.snapshots.iter_mut().zip(&trained).zip(&samples) {
            let steps = work.first_epoch * images.div_ceil(spec.batch) as u64;
            log.extend(&trained.snapshots, steps, work.first_epoch);
        }
    }
    let (weights, epochs): (Vec<_>, Vec<_>) = trained.into_iter().map(|t| (t.weights, t.epochs)).unzip();
    let mut payloads = Vec::with_capacity(weights.len());
    for (collaborator, payload) in wire.encoder.encode(&weights)?.into_iter().enumerate() {
        let message = Message { kind: wire.kind, round, collaborator: collaborator as u32, payload };
        payloads.push(state.ledger.send(codec, Direction::Up, &message)?.payload);
    }
    state.global = wire.decoder.average(&payloads, &samples)?;
    // Those that were tested after their last epoch are not tested again.
    let known: Option<Vec<f64>> = epochs.iter().map(|epochs| epochs.last()?.test_accuracy).collect();
    let (local, tested) = match known {
        Some(known) => (known, tests.all(&[&state.global])?[0]),
        None => {
            let (local, tested) = tests.round(&weights, &state.global)?;
            (local.iter().map(|t| t.accuracy).collect(), tested)
        }
    };
    let loss = tested.plain.loss;
    if !loss.is_finite() {
        let problem = format!("training diverged in round {round} (the loss is {loss})");
        return Err(Error::setting("optimizer.lr", problem, "use a smaller rate"));
    }
    let in_round = |direction| state.ledger.bytes(|t| t.round == round && t.direction == direction);
    // Everybody trained for at least one epoch.
    let last = epochs.iter().filter_map(|epochs| epochs.last()).map(|epoch| epoch.train_loss);
    Ok(RoundResult {
        round,
        test_loss: loss,
        test_accuracy: tested.plain.accuracy,
        grayscale_test_loss: tested.gray.map(|t| t.loss),
        grayscale_test_accuracy: tested.gray.map(|t| t.accuracy),
        local_test_accuracy: local,
        train_loss: last.sum::<f64>() / epochs.len() as f64,
        bytes_up: in_round(Direction::Up),
        bytes_down: in_round(Direction::Down),
        local_epochs: epochs.concat(),
    })
}
