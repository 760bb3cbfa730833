//! A round: local training, updates through the codec and back, and the strategy's step.

use super::aggregate::{Incoming, aggregate};
use super::arrivals::joinable;
use super::clients::{LocalWork, Trained};
use super::clock::seconds;
use super::down::send_down;
use super::ledger::{Direction, Rejected};
use super::losses::gather_losses;
use super::participants::Participants;
use super::results::{GlobalTest, RoundResult, Tested};
use super::setup::{refresh, send_decoder};
use super::spec::{Below, Fate, LocalTests, SimulationSpec};
use super::state::{Federation, LOCAL};
use super::stop::refuse_diverged;
use super::strategy::StrategyRound;
use super::sub_models::{restore, send_parts};
use super::system_round::{SystemRound, train_system, weights_of};
use super::test_sets::TestSets;
use super::uplink::{report, send_up};
use crate::Result;
use crate::codec::Round;
use crate::progress::Observer;
use crate::training::SnapshotEvery;
use std::borrow::Cow;
use std::collections::BTreeMap;

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
    let (Participants { gpu, spec, tests, .. }, state) = (&*participants, &federation.state);
    // Where nothing is tested, what is exchanged need not become weights.
    let is_tested = spec.is_tested(round);
    let global = if is_tested { federation.weights(gpu)? } else { Cow::Borrowed(&*state.global) };
    let (local, tested) = test(tests, spec, round, &trained, own_models.as_deref(), &global)?;
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
    let Federation { pipeline, strategy, rules, system, state } = federation;
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
    let (mut trained, mut own_models) = match system {
        None => (collaborators.train(&who, &start, work, &mut progress)?, None),
        Some(system) => {
            let of = SystemRound { number: round, seed, gpu, start: &start, who: &who };
            let (trained, own) = train_system(&mut **system, of, collaborators, &work, &mut progress)?;
            let is_tested = spec.local_tests() == LocalTests::Round;
            (trained, is_tested.then(|| weights_of(&**system, gpu, &own)).transpose()?)
        }
    };
    if let Some(attackers) = attackers {
        let neutral = system.as_ref().map(|system| system.neutral(&start));
        attackers.poison(round, neutral.as_deref().unwrap_or(&start), &mut trained);
    }
    if let Some(parts) = &parts {
        own_models = Some(restore(&mut trained, parts, &start));
    }
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
    let (ledger, kept) = (&mut state.ledger, &mut state.collaborators);
    let mut payloads = send_up(ledger, pipeline, &view, kept, &trained, spec.is_guarded(), fate)?;
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
    let incoming = Incoming {
        round: &strategy_round,
        view: &view,
        payloads: &payloads,
        trained_on: &samples,
        losses: &losses,
        faults,
        is_guarded: spec.is_guarded(),
    };
    let counted = aggregate(strategy, pipeline, rules, state, &incoming, observer)?;
    let results = counted.len();
    let is_enough = results >= faults.min_results;
    let has_counted = |who: u32| is_enough && counted.contains(&who);
    for (who, kept) in before.into_iter().filter(|(who, _)| !has_counted(*who)) {
        *state.collaborators.of_mut(who).scope_mut(LOCAL) = kept;
    }
    reports.retain(|(who, _)| has_counted(*who));
    strategy.local.absorb(&StrategyRound { arrived: reports.len(), ..strategy_round }, &reports);
    Ok(Played { trained, own_models, asked: asked.len(), results, is_enough, clock })
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
