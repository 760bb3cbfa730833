//! What collaborators send in a round.

use super::clients::Trained;
use super::ledger::{Direction, Ledger, Rejected};
use super::spec::Fate;
use super::state::{CODEC, FederationState, LOCAL};
use super::strategy::{Local, LocalResult, StrategyRound};
use crate::bytes::{bytes_to_floats, floats_to_bytes};
use crate::codec::{Message, MessageKind, Pipeline, Round, Store, Values};
use crate::{Error, Result};

/// Sends what the local rule adds to updates; gives it as it arrives.
pub(super) fn report(
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

/// Encodes the updates and sends them, each to its own fate; gives the payloads that arrive and can be read.
pub(super) fn send_up(
    ledger: &mut Ledger,
    pipeline: &Pipeline,
    view: &Round<'_>,
    store: &mut Store,
    trained: &[Trained],
    fate: impl Fn(u32) -> Fate,
) -> Result<Vec<(u32, Vec<u8>)>> {
    if trained.is_empty() {
        return Ok(Vec::new());
    }
    let mut kept: Vec<_> = trained.iter().map(|trained| store.take(trained.who)).collect();
    let updates = trained
        .iter()
        .zip(&mut kept)
        .map(|(trained, kept)| (trained.who, kept.scope_mut(CODEC), Values::Host(trained.weights.clone())));
    let payloads = pipeline.send(view, updates.collect())?;
    trained.iter().zip(kept).for_each(|(trained, kept)| store.put_back(trained.who, kept));
    let mut arrived = Vec::with_capacity(trained.len());
    for (Trained { who, .. }, payload) in trained.iter().zip(payloads) {
        let (kind, round) = (MessageKind::Update, view.number);
        let message = Message { kind, round, collaborator: *who, payload };
        arrived.extend(deliver(ledger, &message, fate(*who))?.map(|payload| (*who, payload)));
    }
    Ok(arrived)
}

/// Sends an update to its fate; gives the payload that arrives, if it can be read.
pub(super) fn deliver(ledger: &mut Ledger, message: &Message, fate: Fate) -> Result<Option<Vec<u8>>> {
    let who = message.collaborator;
    let sent = match fate {
        Fate::Corrupt(bit) => ledger.send_damaged(Direction::Up, message, bit),
        Fate::Duplicate => {
            ledger.send(Direction::Up, message)?;
            ledger.reject(who, Rejected::Duplicate);
            ledger.send(Direction::Up, message)
        }
        _ => ledger.send(Direction::Up, message),
    };
    match sent {
        Ok(message) => Ok(Some(message.payload)),
        Err(Error::Message { .. }) => {
            ledger.reject(who, Rejected::Malformed);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
