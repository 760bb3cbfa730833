//! What the aggregator sends: the global model, or what a round changed of it.

use super::ledger::{Direction, Ledger, Transfer};
use super::spec::{Downlink, Rules};
use super::state::FederationState;
use super::strategy::Strategy;
use crate::bytes::{bytes_to_floats, floats_to_bytes};
use crate::codec::{Kept, MessageKind, Pipeline, Round, Values};
use crate::{Error, Result};
use std::collections::BTreeSet;

/// Who the aggregator is to its own stages, which have ids of collaborators otherwise.
const AGGREGATOR: u32 = u32::MAX;

/// Sends the global model, unless it goes down in parts, and what the local rule adds to it; gives both as they arrive.
pub(super) fn send_down(
    state: &mut FederationState,
    strategy: &Strategy,
    rules: &Rules,
    round: u32,
    who: &[u32],
    in_parts: bool,
) -> Result<(Vec<f32>, Option<Vec<f32>>)> {
    let send = |ledger: &mut Ledger, kind, to: &[u32], values: &[f32], what| {
        let arrived = ledger.broadcast(kind, round, to, floats_to_bytes(values))?;
        bytes_to_floats(&arrived, values.len(), what)
    };
    let is_echo = rules.downlink == Downlink::Echo;
    let is_changed = rules.downlink != Downlink::Model || rules.down.is_some();
    let model = match &state.code {
        Some(code) if is_changed => {
            // A change is of use to those that have what it changes. Averages of codes go to all.
            let is_shorter = !is_echo || code.len() < 4 * state.global.len();
            let has_last =
                |id: &u32| rules.downlink == Downlink::Code || (is_shorter && state.holders.contains(id));
            let (holders, late): (Vec<u32>, Vec<u32>) = who.iter().partition(|id| has_last(id));
            let arrived = state.ledger.broadcast(MessageKind::Model, round, &holders, code.clone())?;
            if arrived != *code {
                return Err(Error::fault("a code arrived otherwise than it was sent"));
            }
            send(&mut state.ledger, MessageKind::Model, &late, &state.global, "a global model")?;
            // Collaborators decode as the aggregator has.
            state.global.clone()
        }
        // All draw the first model from the seed, and are only told to begin.
        None if is_echo => {
            state.ledger.broadcast(MessageKind::Model, round, who, Vec::new())?;
            state.global.clone()
        }
        // The pre-pass began with it, of those that log weights.
        None if is_changed && state.rounds.is_empty() => {
            let is_model = |t: &&Transfer| (t.direction, t.kind) == (Direction::Down, MessageKind::Model);
            let sent = state.ledger.transfers.iter().filter(is_model);
            let sent: BTreeSet<_> = sent.map(|transfer| transfer.collaborator).collect();
            let late: Vec<_> = who.iter().copied().filter(|id| !sent.contains(id)).collect();
            send(&mut state.ledger, MessageKind::Model, &late, &state.global, "a global model")?
        }
        _ if in_parts => state.global.clone(),
        _ => send(&mut state.ledger, MessageKind::Model, who, &state.global, "a global model")?,
    };
    if rules.down.is_some() || is_echo {
        state.holders = who.to_vec();
    }
    let control = strategy.local.broadcast();
    let control = control
        .map(|values| send(&mut state.ledger, MessageKind::Control, who, &values, "control values"))
        .transpose()?;
    Ok((model, control))
}

/// Puts the model that a round came to through the stages of the downlink: what goes down in the next round is what
/// they make of it, and the global model is what collaborators decode. `view` has the one before.
pub(super) fn change(
    down: &Pipeline,
    view: &Round<'_>,
    state: &mut FederationState,
    next: Vec<f32>,
) -> Result<()> {
    if let Some(value) = next.iter().find(|value| !value.is_finite()) {
        let problem =
            format!("training diverged in round {} (the global model has a value of {value})", view.number);
        return Err(Error::diverged("optimizer.lr", problem, "use a smaller rate"));
    }
    let sent = down.send(view, vec![(AGGREGATOR, &mut state.down, Values::Host(next))])?;
    let code = sent.into_iter().next().unwrap_or_default();
    let nothing = Kept::default();
    let mut arrived = down.receive(view, vec![(AGGREGATOR, &nothing, &code)])?;
    state.global = arrived.swap_remove(0).take(view.gpu)?;
    state.code = Some(code);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Context, PipelineSpec, Stages};
    use crate::federation::{Parts, StrategySpec};
    use crate::model::Layout;
    use std::sync::Arc;

    #[test]
    fn those_that_were_not_there_get_the_whole_model_once() {
        let parts = Parts::default();
        let strategy = StrategySpec::default().make(&parts.strategies).unwrap();
        let context = Context { layout: &Layout::flat(5), seed: 0, autoencoder: None };
        let down = Stages::default().pipeline(&PipelineSpec::raw(), &context).unwrap();
        let rules = Rules { local_epochs: 1, downlink: Downlink::Model, down: Some(Arc::new(down)) };
        let mut state = FederationState::new(vec![0.5; 5], Ledger::default());
        let mut sizes = Vec::new();
        for (round, who) in [(1, vec![0, 1]), (2, vec![1, 2]), (3, vec![0, 1, 2]), (4, vec![0, 1, 2])] {
            let (model, control) = send_down(&mut state, &strategy, &rules, round, &who, false).unwrap();
            assert_eq!((model, control), (state.global.clone(), None));
            state.code = Some(vec![7; 2]);
            let sent = state.ledger.transfers.iter().filter(|transfer| transfer.round == round);
            let mut sent: Vec<_> = sent.map(|transfer| (transfer.collaborator, transfer.bytes)).collect();
            sent.sort_unstable();
            sizes.push(sent);
        }
        let (change, whole) = (3 + 2, 3 + 4 * 5);
        assert_eq!(sizes[0], [(0, whole), (1, whole)]);
        assert_eq!(sizes[1], [(1, change), (2, whole)]);
        assert_eq!(sizes[2], [(0, whole), (1, change), (2, change)]);
        assert_eq!(sizes[3], [(0, change), (1, change), (2, change)]);
    }

    #[test]
    fn what_arrived_goes_down_to_those_that_were_there_where_it_is_shorter_than_the_model() {
        let strategy = StrategySpec::default().make(&Parts::default().strategies).unwrap();
        let rules = Rules { local_epochs: 1, downlink: Downlink::Echo, down: None };
        let mut state = FederationState::new(vec![0.5; 5], Ledger::default());
        let mut sizes = Vec::new();
        for (round, who, echo) in [(1, [0, 1], 6), (2, [1, 2], 19), (3, [1, 2], 20), (4, [1, 2], 0)] {
            let (model, _) = send_down(&mut state, &strategy, &rules, round, &who, false).unwrap();
            assert_eq!(model, state.global);
            state.code = Some(vec![7; echo]);
            let sent = state.ledger.transfers.iter().filter(|transfer| transfer.round == round);
            let mut sent: Vec<_> = sent.map(|transfer| (transfer.collaborator, transfer.bytes)).collect();
            sent.sort_unstable();
            sizes.push(sent);
        }
        // The first model is drawn from the seed; a payload of 20 bytes is as long as the model.
        let whole = 3 + 4 * 5;
        assert_eq!(
            sizes,
            [[(0, 3), (1, 3)], [(1, 3 + 6), (2, whole)], [(1, 22), (2, 22)], [(1, whole), (2, whole)]]
        );
    }
}
