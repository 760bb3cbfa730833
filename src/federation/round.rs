//! Rounds: local training, updates through the codec and back, and the strategy's step.

use super::arrivals::{Payload, arguments, decode, decode_guarded, joinable};
use super::asynchronous::{expected_steps, play_step};
use super::clients::{LocalWork, Trained};
use super::clock::seconds;
use super::down::{change, send_down};
use super::ledger::{Direction, Rejected};
use super::losses::gather_losses;
use super::participants::Participants;
use super::results::{GlobalTest, RoundResult, Tested};
use super::setup::{refresh, send_decoder};
use super::spec::{Below, Downlink, Fate, LocalTests, Rules, SimulationSpec};
use super::state::{CODEC, Federation, FederationState, LOCAL};
use super::stop::{is_over, refuse_diverged};
use super::strategy::{Arrived, Strategy, StrategyRound};
use super::sub_models::{restore, send_parts};
use super::test_sets::TestSets;
use super::uplink::{report, send_up};
use crate::Result;
use crate::codec::Round;
use crate::progress::Observer;
use crate::report::format;
use crate::run::Run;
use crate::training::SnapshotEvery;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Instant;

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
        let result = if participants.spec.asynchrony.is_some() {
            play_step(participants, run.observer, federation, round)?
        } else {
            play_round(participants, run.observer, federation, round, plan.snapshots)?
        };
        run.observer.note(&said(&result, plan.last));
        if plan.is_logged {
            log_round(run, federation.pipeline.label(), &result)?;
        }
        federation.state.rounds.push(result);
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

/// How often a round is played at most.
const ATTEMPTS: u32 = 10;

/// Plays one round. Nothing of it is logged or saved.
pub fn play_round(
    participants: &mut Participants,
    observer: &mut dyn Observer,
    federation: &mut Federation,
    round: u32,
    snapshots: Option<SnapshotEvery>,
) -> Result<RoundResult> {
    let faults = participants.spec.faults.unwrap_or_default();
    let (mut attempt, mut clock) = (0, None);
    let played = loop {
        let played = play_once(participants, observer, federation, Turn { round, attempt, snapshots })?;
        attempt += 1;
        clock = played.clock.map(|seconds| seconds + clock.unwrap_or(0.0));
        if played.is_enough || faults.below == Below::Skip || attempt == ATTEMPTS {
            break played;
        }
        let of = faults.min_results;
        observer.note(&format!("round {round}: {} of {of} results, and it is played again", played.results));
    };
    let Played { trained, own_models, asked, results, .. } = played;
    let (Participants { spec, tests, .. }, state) = (&*participants, &federation.state);
    let (local, tested) = test(tests, spec, round, &trained, own_models.as_deref(), &state.global)?;
    refuse_diverged(round, tested)?;
    let in_round = |direction| state.ledger.bytes_of_last(round, direction);
    // There is at least one epoch of each.
    let last = trained.iter().filter_map(|trained| trained.epochs.last()).map(|epoch| epoch.train_loss);
    let train_loss = (!trained.is_empty()).then(|| last.sum::<f64>() / trained.len() as f64);
    let is_listed = spec.local_tests() != LocalTests::None;
    Ok(RoundResult {
        round,
        tested: tested.map(GlobalTest::from),
        asked,
        results,
        attempts: attempt,
        clock,
        local_test_accuracy: local,
        train_loss,
        bytes_up: in_round(Direction::Up),
        bytes_down: in_round(Direction::Down),
        local_epochs: trained.into_iter().filter(|_| is_listed).flat_map(|trained| trained.epochs).collect(),
    })
}

/// A round, and for which time it is played.
#[derive(Clone, Copy)]
struct Turn {
    round: u32,
    /// From 0.
    attempt: u32,
    snapshots: Option<SnapshotEvery>,
}

/// What a round came to before its models are tested.
struct Played {
    trained: Vec<Trained>,
    /// What each has by itself, where only a part of the model is trained.
    own_models: Option<Vec<Vec<f32>>>,
    asked: usize,
    results: usize,
    is_enough: bool,
    clock: Option<f64>,
}

fn play_once(
    participants: &mut Participants,
    observer: &mut dyn Observer,
    federation: &mut Federation,
    Turn { round, attempt, snapshots }: Turn,
) -> Result<Played> {
    let Participants { gpu, spec, collaborators, tests, speeds, attackers } = participants;
    let Federation { pipeline, strategy, rules, state } = federation;
    let faults = spec.faults.unwrap_or_default();
    let asked = spec.participants(round, attempt, &collaborators.all_samples());
    let fate = |who: u32| spec.fate(round, attempt, who);
    let there: Vec<u32> = asked.iter().copied().filter(|&who| fate(who) != Fate::Absent).collect();
    let who: Vec<u32> = there.iter().copied().filter(|&who| fate(who) != Fate::BreaksOff).collect();
    let seed = u64::from(spec.seed);
    let first_transfer = state.ledger.transfers.len();
    send_decoder(state, round, &there)?;
    let parts = |who: &[u32]| -> Option<Vec<_>> {
        who.iter().map(|&who| pipeline.sub_model(round, seed, who)).collect()
    };
    let is_in_parts = pipeline.sub_model(round, seed, 0).is_some();
    let (start, control) = send_down(state, strategy, rules, round, &there, is_in_parts)?;
    let (sent_parts, parts) = (parts(&there).filter(|_| is_in_parts), parts(&who).filter(|_| is_in_parts));
    let starts = match sent_parts {
        Some(parts) => {
            let starts = send_parts(&mut state.ledger, round, &there, &start, &parts)?;
            let each = there.iter().zip(starts).filter(|(id, _)| who.contains(id));
            Some(each.map(|(_, start)| start).collect::<Vec<_>>())
        }
        None => None,
    };
    let added = |&who: &u32| {
        let kept = state.collaborators.of(who).scope(LOCAL);
        strategy.local.drift(&spec.optimizer, control.as_deref(), kept)
    };
    let drifts: Vec<_> = who.iter().filter_map(added).collect();
    let work = LocalWork {
        epochs: rules.local_epochs,
        first_epoch: u64::from(round - 1) * rules.local_epochs,
        snapshots,
        starts: starts.as_deref(),
        drifts: &drifts,
        tests: (spec.local_tests() == LocalTests::Epoch).then_some(&*tests),
    };
    let mut progress = |steps| observer.advance(u64::from(steps));
    let losses = if strategy.combine.wants_loss() {
        let of = (&who[..], &start[..]);
        gather_losses(&mut state.ledger, collaborators, round, of, &work, &mut progress)?
    } else {
        BTreeMap::new()
    };
    let mut trained = collaborators.train(&who, &start, work, &mut progress)?;
    if let Some(attackers) = attackers {
        attackers.poison(round, &start, &mut trained);
    }
    let own_models = parts.as_ref().map(|parts| restore(&mut trained, parts, &start));
    if snapshots.is_some() {
        for trained in &trained {
            let steps = work.first_epoch * collaborators.samples(trained.who).div_ceil(spec.batch) as u64;
            state.snapshots[trained.who as usize].extend(&trained.snapshots, steps, work.first_epoch);
        }
    }
    let strategy_round = StrategyRound {
        number: round,
        seed,
        gpu,
        global: &start,
        optimizer: &spec.optimizer,
        collaborators: spec.collaborators,
        asked: spec.per_round(),
        arrived: 0,
    };
    // What becomes of an update is not known yet: where it does not count, what goes with it has not been either.
    let before: Vec<_> =
        who.iter().map(|&id| (id, state.collaborators.of(id).scope(LOCAL).clone())).collect();
    let mut reports = report(state, &*strategy.local, &strategy_round, &trained, control.as_deref())?;
    let mut progress = |steps| observer.advance(u64::from(steps));
    let order = |who, epoch| collaborators.order(who, epoch);
    let local = collaborators.local_data(&order, &mut progress);
    let view = Round { number: round, seed, global: &start, gpu, local: Some(&local) };
    refresh(pipeline, &view, state, &who)?;
    let mut payloads = send_up(&mut state.ledger, pipeline, &view, &mut state.collaborators, &trained, fate)?;
    let clock = speeds.as_ref().map(|speeds| {
        let epochs = rules.local_epochs + pipeline.epochs();
        let steps = |id: u32| if who.contains(&id) { epochs * collaborators.steps_of(&[id]) } else { 0 };
        seconds(speeds, &state.ledger.transfers[first_transfer..], steps)
    });
    payloads.retain(|(who, _)| {
        let takes = clock.as_ref().and_then(|clock| clock.get(who).copied()).unwrap_or(0.0);
        let is_late = fate(*who) == Fate::Late || faults.deadline.is_some_and(|deadline| takes > deadline);
        if is_late {
            state.ledger.reject(*who, Rejected::Late);
        }
        !is_late
    });
    let clock = clock.map(|clock| match faults.deadline {
        // It waits for those that do not come.
        Some(deadline) if payloads.len() < asked.len() => deadline,
        _ => payloads.iter().filter_map(|(who, _)| clock.get(who).copied()).fold(0.0, f64::max),
    });
    // The model that went down is the aggregator's own, bit for bit.
    let view = Round { number: round, seed, global: &start, gpu, local: None };
    if spec.is_guarded() && pipeline.is_joint() {
        payloads = joinable(pipeline, &view, state, payloads)?;
    }
    let samples: BTreeMap<u32, (usize, u64)> =
        trained.iter().map(|one| (one.who, (collaborators.samples(one.who), one.steps))).collect();
    let weights = |payloads: &[Payload]| payloads.iter().map(|(who, _)| samples[who].0 as f64).collect();
    // Those whose updates count.
    let mut counted: Vec<u32> = payloads.iter().map(|(who, _)| *who).collect();
    let strategy_round = |arrived: usize| StrategyRound { arrived, ..strategy_round };
    match rules.downlink {
        Downlink::Model if pipeline.is_joint() => {
            let round = strategy_round(counted.len());
            if !counted.is_empty() && counted.len() >= faults.min_results {
                let weights: Vec<_> = weights(&payloads);
                let mut joint = std::mem::take(&mut state.joint);
                let combined = pipeline.join(&view, arguments(state, &payloads), &weights, &mut joint)?;
                state.joint = joint;
                step(strategy, &round, rules, &view, state, Some(&combined))?;
            } else {
                step(strategy, &round, rules, &view, state, None)?;
            }
        }
        Downlink::Model => {
            let received = if spec.is_guarded() {
                decode_guarded(pipeline, &view, state, &payloads, faults.longest)?
            } else {
                decode(pipeline, &view, state, &payloads)?
            };
            counted = received.iter().map(|(who, _)| *who).collect();
            let results = counted.len();
            let mut arrived = Vec::with_capacity(received.len());
            for (who, received) in received {
                let ((samples, steps), update) = (samples[&who], received.values);
                state.aggregator.of_mut(who).scope_mut(CODEC).merge(received.news);
                if !received.is_left_out {
                    let loss = losses.get(&who).copied();
                    arrived.push(Arrived { who, samples, steps, update, loss, staleness: 0 });
                }
            }
            if arrived.len() < results {
                let left_out = results - arrived.len();
                observer.note(&format!("{left_out} of {results} updates were left out"));
            }
            // A round that nobody's update is part of, or too few results, changes nothing; unless that would tell who was
            // not drawn, which noise is to hide.
            let is_enough = results >= faults.min_results && !arrived.is_empty();
            let counts = is_enough || strategy.combine.noise().is_some();
            let round = strategy_round(arrived.len());
            let combined = counts.then(|| strategy.combine.combine(&round, &arrived)).transpose()?;
            step(strategy, &round, rules, &view, state, combined.as_deref())?;
        }
        Downlink::Code => {
            let weights: Vec<_> = weights(&payloads);
            let arrived = arguments(state, &payloads);
            let (first, kept) = (arrived[0].0, arrived[0].1);
            let code = pipeline.average(&view, arrived, &weights)?;
            // The global model is what collaborators make of what goes down.
            let mut decoded = pipeline.receive(&view, vec![(first, kept, &code)])?;
            state.global = decoded.swap_remove(0).take(gpu)?;
            state.code = Some(code);
        }
    }
    let results = counted.len();
    let is_enough = results >= faults.min_results;
    let has_counted = |who: u32| is_enough && counted.contains(&who);
    for (who, kept) in before.into_iter().filter(|(who, _)| !has_counted(*who)) {
        *state.collaborators.of_mut(who).scope_mut(LOCAL) = kept;
    }
    reports.retain(|(who, _)| has_counted(*who));
    strategy.local.absorb(&strategy_round(reports.len()), &reports);
    Ok(Played { trained, own_models, asked: asked.len(), results, is_enough, clock })
}

/// Moves the global model to what the updates were combined to, or nowhere.
fn step(
    strategy: &mut Strategy,
    round: &StrategyRound<'_>,
    rules: &Rules,
    view: &Round<'_>,
    state: &mut FederationState,
    combined: Option<&[f32]>,
) -> Result<()> {
    let mut next = state.global.clone();
    combined.iter().for_each(|combined| strategy.server.step(round, &mut next, combined));
    match &rules.down {
        None => state.global = next,
        Some(down) => change(down, view, state, next)?,
    }
    Ok(())
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
