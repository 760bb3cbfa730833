//! A step of the global model, of updates that began with older ones.

use crate::Result;
use crate::codec::Values;
use crate::federation::flow::{Arrival, Flow};
use crate::federation::ledger::Direction;
use crate::federation::participants::Participants;
use crate::federation::results::{GlobalTest, RoundResult};
use crate::federation::spec::{Asynchrony, AsynchronyKind};
use crate::federation::state::Federation;
use crate::federation::stop::refuse_diverged;
use crate::federation::strategy::{Arrived, StrategyRound};

/// Makes a step of these updates, through the strategy's rules, and tests what the global model becomes.
pub(super) fn step(
    participants: &mut Participants,
    federation: &mut Federation,
    flow: &mut Flow,
    rules: &Asynchrony,
    round: u32,
    mut taken: Vec<Arrival>,
) -> Result<RoundResult> {
    let Participants { gpu, spec, collaborators, tests, .. } = participants;
    let Federation { strategy, state, .. } = federation;
    let version = round - 1;
    // As rounds that wait for all have them.
    taken.sort_by_key(|update| (update.who, update.number));
    let samples = |who: u32| collaborators.samples(who);
    let of_taken: usize = taken.iter().map(|update| samples(update.who)).sum();
    let part = of_taken as f64 / collaborators.all_samples().iter().sum::<usize>().max(1) as f64;
    let (results, asked) = (taken.len(), taken.len() + flow.rejected);
    let train_loss = taken.iter().map(|update| update.train_loss).sum::<f64>() / results as f64;
    let global = std::mem::take(&mut state.global);
    let arrived = taken.into_iter().map(|update| {
        let staleness = version.saturating_sub(update.version);
        let Arrival { who, steps, weights, .. } = update;
        let start: &[f32] = if staleness == 0 { &global } else { &flow.models[&update.version] };
        let weight = rules.weight(staleness);
        let weights = match rules.kind {
            AsynchronyKind::Buffered => moved(&global, start, weights, weight),
            AsynchronyKind::Mixed => moved(&global, &global, weights, weight),
            AsynchronyKind::Anarchic => moved(&global, start, weights, weight * rules.rate() / steps as f64),
            // The aggregate of a group counts as its part of all.
            AsynchronyKind::Compass => moved(&global, start, weights, weight * part),
        };
        Arrived { who, samples: samples(who), steps, update: Values::Host(weights), loss: None, staleness }
    });
    let arrived: Vec<_> = arrived.collect();
    let view = StrategyRound {
        number: round,
        seed: u64::from(spec.seed),
        gpu,
        global: &global,
        optimizer: &spec.optimizer,
        collaborators: spec.collaborators,
        asked,
        arrived: results,
    };
    let combined = strategy.combine.combine(&view, &arrived)?;
    let mut next = global.clone();
    strategy.server.step(&view, &mut next, &combined);
    state.global = next;
    let clock = flow.now - flow.last_step;
    flow.last_step = flow.now;
    flow.rejected = 0;
    flow.forget_models();
    let tested = if spec.is_tested(round) { Some(tests.all(&[&state.global])?[0]) } else { None };
    refuse_diverged(round, tested)?;
    let in_round = |direction| state.ledger.bytes_of_last(round, direction);
    Ok(RoundResult {
        round,
        tested: tested.map(GlobalTest::from),
        asked,
        results,
        attempts: 1,
        clock: Some(clock),
        local_test_accuracy: Vec::new(),
        train_loss: Some(train_loss),
        bytes_up: in_round(Direction::Up),
        bytes_down: in_round(Direction::Down),
        local_epochs: Vec::new(),
    })
}

/// `global + factor * (weights - start)`; the weights themselves, bit for bit, where that is all of a change from the
/// global model.
fn moved(global: &[f32], start: &[f32], weights: Vec<f32>, factor: f64) -> Vec<f32> {
    if factor == 1.0 && std::ptr::eq(global, start) {
        return weights;
    }
    let each = weights.into_iter().zip(start).zip(global);
    each.map(|((weight, start), global)| {
        (f64::from(*global) + factor * (f64::from(weight) - f64::from(*start))) as f32
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_moved_to_the_global_model_of_now() {
        let (global, start) = ([1.0f32, -2.0], [0.5f32, -2.5]);
        // The change is (0.5, 1), half of it (0.25, 0.5).
        assert_eq!(moved(&global, &start, vec![1.0, -1.5], 0.5), [1.25, -1.5]);
        // A tenth more than the weights would not come back by adding their difference.
        let weights = vec![0.1f32, 0.3];
        assert_eq!(moved(&global, &global, weights.clone(), 1.0), weights);
        // Between both: 1 + 0.25 (3 - 1), -2 + 0.25 (2 + 2).
        assert_eq!(moved(&global, &global, vec![3.0, 2.0], 0.25), [1.5, -1.0]);
    }
}
