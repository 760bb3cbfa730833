//! What the aggregator makes of the updates of a round that arrived in time: the next global model.

use super::arrivals::{Payload, arguments, decode, decode_guarded};
use super::down::change;
use super::echo::{self, Echoed};
use super::spec::{Downlink, Faults, Rules};
use super::state::{CODEC, FederationState};
use super::strategy::{Arrived, Strategy, StrategyRound};
use crate::Result;
use crate::codec::{Pipeline, Round};
use crate::progress::Observer;
use std::collections::BTreeMap;

/// Updates that arrived, and what the aggregator knows of the round that they are of.
pub(super) struct Incoming<'a> {
    /// The round, of which it is not known yet how many updates count.
    pub round: &'a StrategyRound<'a>,
    /// The same for stages.
    pub view: &'a Round<'a>,
    /// What arrived.
    pub payloads: &'a [Payload],
    /// Images and steps of each collaborator that trained, by id.
    pub trained_on: &'a BTreeMap<u32, (usize, u64)>,
    /// The losses that were asked for, by id.
    pub losses: &'a BTreeMap<u32, f64>,
    /// What is too few and too long.
    pub faults: Faults,
    /// Whether updates are looked at before they are combined.
    pub is_guarded: bool,
}

/// Decodes and combines the updates, and moves the global model. Gives those whose updates count.
pub(super) fn aggregate(
    strategy: &mut Strategy,
    pipeline: &Pipeline,
    rules: &Rules,
    state: &mut FederationState,
    incoming: &Incoming<'_>,
    observer: &mut dyn Observer,
) -> Result<Vec<u32>> {
    let &Incoming { view, payloads, trained_on, faults, .. } = incoming;
    let whose = || payloads.iter().map(|(who, _)| *who).collect::<Vec<_>>();
    let weights = || payloads.iter().map(|(who, _)| trained_on[who].0 as f64).collect::<Vec<_>>();
    match rules.downlink {
        Downlink::Model if pipeline.is_joint() => {
            let round = StrategyRound { arrived: payloads.len(), ..*incoming.round };
            let counts = !payloads.is_empty() && payloads.len() >= faults.min_results;
            let combined = if counts {
                let mut joint = std::mem::take(&mut state.joint);
                let combined = pipeline.join(view, arguments(state, payloads), &weights(), &mut joint)?;
                state.joint = joint;
                Some(combined)
            } else {
                None
            };
            step(strategy, &round, rules, view, state, combined.as_deref())?;
            Ok(whose())
        }
        Downlink::Model | Downlink::Echo => {
            each_by_itself(strategy, pipeline, rules, state, incoming, observer)
        }
        Downlink::Code => {
            let arrived = arguments(state, payloads);
            let (first, kept) = (arrived[0].0, arrived[0].1);
            let code = pipeline.average(view, arrived, &weights())?;
            // The global model is what collaborators make of what goes down.
            let mut decoded = pipeline.receive(view, vec![(first, kept, &code)])?;
            state.global = decoded.swap_remove(0).take(view.gpu)?;
            state.code = Some(code);
            Ok(whose())
        }
    }
}

/// The same where updates are decoded one by one and combined by the strategy's rule.
fn each_by_itself(
    strategy: &mut Strategy,
    pipeline: &Pipeline,
    rules: &Rules,
    state: &mut FederationState,
    incoming: &Incoming<'_>,
    observer: &mut dyn Observer,
) -> Result<Vec<u32>> {
    let &Incoming { view, payloads, trained_on, losses, faults, is_guarded, .. } = incoming;
    let received = if is_guarded {
        decode_guarded(pipeline, view, state, payloads, faults.longest)?
    } else {
        decode(pipeline, view, state, payloads)?
    };
    let counted: Vec<u32> = received.iter().map(|(who, _)| *who).collect();
    let results = counted.len();
    let mut arrived = Vec::with_capacity(results);
    for (who, received) in received {
        let ((samples, steps), update) = (trained_on[&who], received.values);
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
    // A round that nobody's update is part of, or too few results, changes nothing; unless that would tell who was not
    // drawn, which noise is to hide.
    let is_enough = results >= faults.min_results && !arrived.is_empty();
    let counts = is_enough || strategy.combine.noise().is_some();
    let round = StrategyRound { arrived: arrived.len(), ..*incoming.round };
    let combined = counts.then(|| strategy.combine.combine(&round, &arrived)).transpose()?;
    step(strategy, &round, rules, view, state, combined.as_deref())?;
    if rules.downlink == Downlink::Echo {
        let has_counted = |who: u32| counts && arrived.iter().any(|one| one.who == who);
        let echoed = payloads.iter().filter(|(who, _)| has_counted(*who));
        let echoed = echoed.map(|(who, payload)| Echoed { who: *who, samples: trained_on[who].0, payload });
        state.code = Some(echo::write(echoed));
    }
    Ok(counted)
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
