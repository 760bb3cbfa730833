//! Rounds: local training, updates through the codec and back, and the strategy's step.

use super::clients::{LocalWork, Trained};
use super::down::{change, send_down};
use super::ledger::{Direction, Ledger};
use super::losses::gather_losses;
use super::participants::Participants;
use super::results::RoundResult;
use super::setup::refresh;
use super::spec::{Downlink, LocalTests};
use super::state::{CODEC, Federation, FederationState};
use super::strategy::{Arrived, Local, LocalResult, StrategyRound};
use super::sub_models::{restore, send_parts};
use crate::bytes::{bytes_to_floats, floats_to_bytes};
use crate::codec::{Message, MessageKind, Pipeline, Round, Store, Values};
use crate::progress::Observer;
use crate::run::Run;
use crate::training::SnapshotEvery;
use crate::{Error, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Instant;

/// What a collaborator keeps for the strategy's local rule.
const LOCAL: &str = "local";

/// A round in the metrics.
#[derive(Serialize)]
struct Line<'a> {
    run: &'a str,
    #[serde(flatten)]
    round: &'a RoundResult,
}

/// Writes a round of the federation of this label into the run's metrics.
pub fn log_round(run: &mut Run<'_>, label: &str, round: &RoundResult) -> Result<()> {
    run.log(&Line { run: label, round })
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
    let ids = participants.collaborators.ids();
    let losses = u64::from(federation.strategy.combine.wants_loss());
    let epochs = federation.rules.local_epochs + federation.pipeline.epochs() + losses;
    let steps = participants.collaborators.steps(&ids) * epochs;
    let first = federation.state.rounds.len() as u32 + 1;
    run.observer.begin(plan.what, "steps", steps * u64::from((plan.last + 1).saturating_sub(first)));
    for round in first..=plan.last {
        let start = Instant::now();
        let result = play_round(participants, run.observer, federation, round, plan.snapshots)?;
        let gray = result.grayscale_test_accuracy;
        run.observer.note(&format!(
            "round {round}/{}: accuracy {:.1} %{}",
            plan.last,
            result.test_accuracy * 100.0,
            gray.map_or(String::new(), |gray| format!(", without colours {:.1} %", gray * 100.0)),
        ));
        if plan.is_logged {
            log_round(run, federation.pipeline.label(), &result)?;
        }
        federation.state.rounds.push(result);
        federation.state.seconds += start.elapsed().as_secs_f64();
        if round == plan.last {
            federation.save(run, plan.stage)?;
        }
        run.pause(federation.bytes(), |run| federation.save(run, plan.stage))?;
    }
    run.observer.end();
    Ok(())
}

/// Plays one round. Nothing of it is logged or saved.
pub fn play_round(
    participants: &mut Participants,
    observer: &mut dyn Observer,
    federation: &mut Federation,
    round: u32,
    snapshots: Option<SnapshotEvery>,
) -> Result<RoundResult> {
    let Participants { gpu, spec, collaborators, tests } = participants;
    let Federation { pipeline, strategy, rules, state } = federation;
    let who = collaborators.ids();
    let seed = u64::from(spec.seed);
    let parts: Option<Vec<_>> = who.iter().map(|&who| pipeline.sub_model(round, seed, who)).collect();
    let (start, control) = send_down(state, strategy, rules, round, &who, parts.is_some())?;
    let starts =
        parts.as_ref().map(|parts| send_parts(&mut state.ledger, round, &who, &start, parts)).transpose()?;
    let work = LocalWork {
        epochs: rules.local_epochs,
        first_epoch: u64::from(round - 1) * rules.local_epochs,
        snapshots,
        starts: starts.as_deref(),
        tests: (spec.local_tests == LocalTests::Epoch).then_some(&*tests),
    };
    let mut progress = |steps| observer.advance(u64::from(steps));
    let losses = if strategy.combine.wants_loss() {
        let of = (&who[..], &start[..]);
        gather_losses(&mut state.ledger, collaborators, round, of, &work, &mut progress)?
    } else {
        BTreeMap::new()
    };
    let mut trained = collaborators.train(&who, &start, work, &mut progress)?;
    let own_models = parts.as_ref().map(|parts| restore(&mut trained, parts, &start));
    if snapshots.is_some() {
        for (log, trained) in state.snapshots.iter_mut().zip(&trained) {
            let steps = work.first_epoch * collaborators.samples(trained.who).div_ceil(spec.batch) as u64;
            log.extend(&trained.snapshots, steps, work.first_epoch);
        }
    }
    let strategy_round = StrategyRound {
        number: round,
        seed,
        gpu,
        global: &start,
        optimizer: &spec.optimizer,
        collaborators: spec.collaborators,
        asked: who.len(),
    };
    let reports = report(state, &*strategy.local, &strategy_round, &trained, control.as_deref())?;
    let mut progress = |steps| observer.advance(u64::from(steps));
    let order = |who, epoch| collaborators.order(who, epoch);
    let local = collaborators.local_data(&order, &mut progress);
    let view = Round { number: round, seed, global: &start, gpu, local: Some(&local) };
    refresh(pipeline, &view, state, &who)?;
    let payloads = send_up(&mut state.ledger, pipeline, &view, &mut state.collaborators, &trained)?;
    // The model that went down is the aggregator's own, bit for bit.
    let view = Round { number: round, seed, global: &start, gpu, local: None };
    let arrived = payloads.iter().zip(&trained).map(|(payload, trained)| {
        (trained.who, state.aggregator.of(trained.who).scope(CODEC), payload.as_slice())
    });
    let arrived: Vec<_> = arrived.collect();
    let samples: Vec<_> = trained.iter().map(|trained| collaborators.samples(trained.who)).collect();
    match rules.downlink {
        Downlink::Model => {
            let combined = if pipeline.is_joint() {
                let weights: Vec<_> = samples.into_iter().map(|samples| samples as f64).collect();
                Some(pipeline.join(&view, arrived, &weights, &mut state.joint)?)
            } else {
                let received = pipeline.take_in(&view, arrived)?;
                let mut arrived = Vec::with_capacity(received.len());
                for ((trained, samples), received) in trained.iter().zip(samples).zip(received) {
                    let (who, steps, update) = (trained.who, trained.steps, received.values);
                    state.aggregator.of_mut(who).scope_mut(CODEC).merge(received.news);
                    if !received.is_left_out {
                        let loss = losses.get(&who).copied();
                        arrived.push(Arrived { who, samples, steps, update, loss, staleness: 0 });
                    }
                }
                if arrived.len() < trained.len() {
                    let (left_out, all) = (trained.len() - arrived.len(), trained.len());
                    observer.note(&format!("{left_out} of {all} updates were left out"));
                }
                // A round that nobody's update is part of changes nothing.
                let is_any = !arrived.is_empty();
                is_any.then(|| strategy.combine.combine(&strategy_round, &arrived)).transpose()?
            };
            let mut next = state.global.clone();
            combined.iter().for_each(|combined| strategy.server.step(&strategy_round, &mut next, combined));
            match &rules.down {
                None => state.global = next,
                Some(down) => change(down, &view, state, next)?,
            }
        }
        Downlink::Code => {
            let weights: Vec<_> = samples.into_iter().map(|samples| samples as f64).collect();
            let (first, kept) = (arrived[0].0, arrived[0].1);
            let code = pipeline.average(&view, arrived, &weights)?;
            // The global model is what collaborators make of what goes down.
            let mut decoded = pipeline.receive(&view, vec![(first, kept, &code)])?;
            state.global = decoded.swap_remove(0).take(gpu)?;
            state.code = Some(code);
        }
    }
    strategy.local.absorb(&strategy_round, &reports);
    // Collaborators that were tested after their last epoch are not tested again.
    let known: Option<Vec<f64>> =
        trained.iter().map(|trained| trained.epochs.last()?.test_accuracy).collect();
    let (local, tested) = match known {
        Some(known) => (known, tests.all(&[&state.global])?[0]),
        None => {
            let weights: Vec<_> = match &own_models {
                Some(own) => own.iter().collect(),
                None => trained.iter().map(|trained| &trained.weights).collect(),
            };
            let (local, tested) = tests.round(&who, &weights, &state.global)?;
            (local.iter().map(|t| t.accuracy).collect(), tested)
        }
    };
    let loss = tested.plain.loss;
    if !loss.is_finite() {
        let problem = format!("training diverged in round {round} (the loss is {loss})");
        return Err(Error::diverged("optimizer.lr", problem, "use a smaller rate"));
    }
    let in_round = |direction| state.ledger.bytes(|t| t.round == round && t.direction == direction);
    // There is at least one epoch of each.
    let last = trained.iter().filter_map(|trained| trained.epochs.last()).map(|epoch| epoch.train_loss);
    Ok(RoundResult {
        round,
        test_loss: loss,
        test_accuracy: tested.plain.accuracy,
        grayscale_test_loss: tested.gray.map(|t| t.loss),
        grayscale_test_accuracy: tested.gray.map(|t| t.accuracy),
        local_test_accuracy: local,
        train_loss: last.sum::<f64>() / trained.len() as f64,
        bytes_up: in_round(Direction::Up),
        bytes_down: in_round(Direction::Down),
        local_epochs: trained.into_iter().flat_map(|trained| trained.epochs).collect(),
    })
}

/// Sends what the local rule adds to updates; gives it as it arrives.
fn report(
    state: &mut FederationState,
    local: &dyn Local,
    round: &StrategyRound<'_>,
    trained: &[Trained],
    broadcast: Option<&[f32]>,
) -> Result<Vec<(u32, Vec<f32>)>> {
    let mut reports = Vec::new();
    let &StrategyRound { number: round, global, optimizer, .. } = round;
    for Trained { who, weights, steps, .. } in trained {
        let done = LocalResult { who: *who, global, weights, broadcast, steps: *steps, optimizer };
        let kept = state.collaborators.of_mut(*who).scope_mut(LOCAL);
        let Some(values) = local.report(&done, kept) else { continue };
        let (kind, payload) = (MessageKind::Control, floats_to_bytes(&values));
        let message = Message { kind, round, collaborator: *who, payload };
        let arrived = state.ledger.send(Direction::Up, &message)?;
        reports.push((*who, bytes_to_floats(&arrived.payload, values.len(), "control values")?));
    }
    Ok(reports)
}

/// Encodes the updates and sends them; gives the payloads that arrive.
fn send_up(
    ledger: &mut Ledger,
    pipeline: &Pipeline,
    view: &Round<'_>,
    store: &mut Store,
    trained: &[Trained],
) -> Result<Vec<Vec<u8>>> {
    let mut kept: Vec<_> = trained.iter().map(|trained| store.take(trained.who)).collect();
    let updates = trained
        .iter()
        .zip(&mut kept)
        .map(|(trained, kept)| (trained.who, kept.scope_mut(CODEC), Values::Host(trained.weights.clone())));
    let payloads = pipeline.send(view, updates.collect())?;
    trained.iter().zip(kept).for_each(|(trained, kept)| store.put_back(trained.who, kept));
    let send = |(trained, payload): (&Trained, Vec<u8>)| {
        let (kind, round) = (MessageKind::Update, view.number);
        let message = Message { kind, round, collaborator: trained.who, payload };
        Ok(ledger.send(Direction::Up, &message)?.payload)
    };
    trained.iter().zip(payloads).map(send).collect()
}
