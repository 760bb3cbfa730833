//! Rounds: local training, updates through the codec and back, and the strategy's step.

use super::clients::{LocalWork, Trained};
use super::down::{change, send_down};
use super::ledger::{Direction, Ledger};
use super::participants::Participants;
use super::results::{GlobalTest, RoundResult, Tested};
use super::setup::{refresh, send_decoder};
use super::spec::{Downlink, LocalTests, SimulationSpec};
use super::state::{CODEC, Federation, FederationState};
use super::stop::is_over;
use super::strategy::{Arrived, Local, LocalResult, StrategyRound};
use super::sub_models::{restore, send_parts};
use super::test_sets::TestSets;
use crate::bytes::{bytes_to_floats, floats_to_bytes};
use crate::codec::{Message, MessageKind, Pipeline, Round, Store, Values};
use crate::progress::Observer;
use crate::report::format;
use crate::run::Run;
use crate::training::{SnapshotEvery, Tally};
use crate::{Error, Result};
use serde::Serialize;
use std::ops::RangeInclusive;
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
    let first = federation.state.rounds.len() as u32 + 1;
    let steps = steps(participants, federation, first..=plan.last);
    run.observer.begin(plan.what, "steps", steps);
    for round in first..=plan.last {
        if is_over(&participants.spec, &federation.state.rounds) {
            break;
        }
        let start = Instant::now();
        let result = play_round(participants, run.observer, federation, round, plan.snapshots)?;
        run.observer.note(&said(&result, plan.last));
        if plan.is_logged {
            log_round(run, federation.pipeline.label(), &result)?;
        }
        federation.state.rounds.push(result);
        federation.state.seconds += start.elapsed().as_secs_f64();
        if round == plan.last || is_over(&participants.spec, &federation.state.rounds) {
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
    let samples = collaborators.all_samples();
    let epochs = federation.rules.local_epochs + federation.pipeline.epochs();
    let of = |round| collaborators.steps(&spec.participants(round, &samples)) * epochs;
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
        None => format!("training loss {:.4}", result.train_loss),
    };
    let [up, down] = [result.bytes_up, result.bytes_down].map(format::bytes);
    format!("round {}/{last}: {accuracy}, {up} up, {down} down", result.round)
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
    let who = spec.participants(round, &collaborators.all_samples());
    let seed = u64::from(spec.seed);
    send_decoder(state, round, &who)?;
    let parts: Option<Vec<_>> = who.iter().map(|&who| pipeline.sub_model(round, seed, who)).collect();
    let (start, control) = send_down(state, strategy, rules, round, &who, parts.is_some())?;
    let starts =
        parts.as_ref().map(|parts| send_parts(&mut state.ledger, round, &who, &start, parts)).transpose()?;
    let work = LocalWork {
        epochs: rules.local_epochs,
        first_epoch: u64::from(round - 1) * rules.local_epochs,
        snapshots,
        starts: starts.as_deref(),
        tests: (spec.local_tests() == LocalTests::Epoch).then_some(&*tests),
    };
    let mut trained =
        collaborators.train(&who, &start, work, &mut |steps| observer.advance(u64::from(steps)))?;
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
                        arrived.push(Arrived { who, samples, steps, update, loss: None, staleness: 0 });
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
    let own_models = own_models.as_deref();
    let (local, tested) = test(tests, spec, round, &trained, own_models, &state.global)?;
    if let Some(Tested { plain: Tally { loss, .. }, .. }) = tested.filter(|t| !t.plain.loss.is_finite()) {
        let problem = format!("training diverged in round {round} (the loss is {loss})");
        return Err(Error::diverged("optimizer.lr", problem, "use a smaller rate"));
    }
    let in_round = |direction| state.ledger.bytes(|t| t.round == round && t.direction == direction);
    // There is at least one epoch of each.
    let last = trained.iter().filter_map(|trained| trained.epochs.last()).map(|epoch| epoch.train_loss);
    let train_loss = last.sum::<f64>() / trained.len().max(1) as f64;
    let is_listed = spec.local_tests() != LocalTests::None;
    Ok(RoundResult {
        round,
        tested: tested.map(GlobalTest::from),
        asked: who.len(),
        local_test_accuracy: local,
        train_loss,
        bytes_up: in_round(Direction::Up),
        bytes_down: in_round(Direction::Down),
        local_epochs: trained.into_iter().filter(|_| is_listed).flat_map(|trained| trained.epochs).collect(),
    })
}

/// Tests what a round has come to, as far as that is asked for: collaborators' own models, and the global one.
fn test(
    tests: &TestSets,
    spec: &SimulationSpec,
    round: u32,
    trained: &[Trained],
    own_models: Option<&[Vec<f32>]>,
    global: &[f32],
) -> Result<(Vec<f64>, Option<Tested>)> {
    let is_due = spec.is_tested(round);
    let of_global = || Ok(if is_due { Some(tests.all(&[global])?[0]) } else { None });
    match spec.local_tests() {
        LocalTests::None => Ok((Vec::new(), of_global()?)),
        // Collaborators that were tested after their last epoch are not tested again.
        LocalTests::Epoch => {
            let known = trained.iter().filter_map(|trained| trained.epochs.last()?.test_accuracy);
            Ok((known.collect(), of_global()?))
        }
        LocalTests::Round => {
            let who: Vec<_> = trained.iter().map(|trained| trained.who).collect();
            let weights: Vec<_> = match own_models {
                Some(own) => own.iter().collect(),
                None => trained.iter().map(|trained| &trained.weights).collect(),
            };
            let (local, tested) = if is_due {
                let (local, tested) = tests.round(&who, &weights, global)?;
                (local, Some(tested))
            } else {
                (tests.local(&who, &weights)?, None)
            };
            Ok((local.iter().map(|t| t.accuracy).collect(), tested))
        }
    }
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
