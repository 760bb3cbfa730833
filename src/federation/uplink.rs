//! What collaborators send in a round.

use super::clients::Trained;
use super::ledger::{Direction, Ledger, Rejected};
use super::spec::Fate;
use super::state::{CODEC, FederationState, LOCAL};
use super::strategy::{Local, LocalResult, StrategyRound};
use crate::bytes::{Writer, bytes_to_floats, floats_to_bytes};
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

/// Encodes the updates and sends them, each to its own fate; gives the payloads that arrive and can be read. Where it
/// `is_guarded`, what cannot be encoded because it is not finite is rejected.
pub(super) fn send_up(
    ledger: &mut Ledger,
    pipeline: &Pipeline,
    view: &Round<'_>,
    store: &mut Store,
    trained: &[Trained],
    is_guarded: bool,
    fate: impl Fn(u32) -> Fate,
) -> Result<Vec<(u32, Vec<u8>)>> {
    let updates = trained.iter().map(|trained| (trained.who, trained.weights.clone())).collect();
    let payloads = encode(pipeline, view, store, updates, is_guarded)?;
    let mut arrived = Vec::with_capacity(trained.len());
    for (Trained { who, .. }, written) in trained.iter().zip(payloads) {
        let (kind, round) = (MessageKind::Update, view.number);
        let parts = written.parts().to_vec();
        let message = Message { kind, round, collaborator: *who, payload: written.into_bytes() };
        let before = ledger.transfers.len();
        arrived.extend(deliver(ledger, &message, fate(*who), is_guarded)?.map(|payload| (*who, payload)));
        ledger.note_parts(&parts, ledger.transfers.len() - before);
    }
    Ok(arrived)
}

/// The payloads of the updates, with what is said of whose their bytes are. Where it `is_guarded`, those with
/// values that are not finite leave nothing in what their collaborators keep, and those that the codec cannot say
/// are empty.
pub(super) fn encode(
    pipeline: &Pipeline,
    view: &Round<'_>,
    store: &mut Store,
    updates: Vec<(u32, Vec<f32>)>,
    is_guarded: bool,
) -> Result<Vec<Writer>> {
    let is_apart = |weights: &[f32]| is_guarded && weights.iter().any(|weight| !weight.is_finite());
    let apart: Vec<bool> = updates.iter().map(|(_, weights)| is_apart(weights)).collect();
    let mut together = Vec::with_capacity(updates.len());
    let mut payloads = Vec::with_capacity(updates.len());
    for ((who, weights), &is_apart) in updates.into_iter().zip(&apart) {
        if is_apart {
            let kept = &mut store.of(who).clone();
            let update = (who, kept.scope_mut(CODEC), Values::Host(weights));
            match pipeline.describe(view, vec![update]) {
                Ok(sent) => payloads.extend(sent),
                Err(Error::Diverged(_)) => payloads.push(Writer::default()),
                Err(error) => return Err(error),
            }
        } else {
            together.push((who, store.take(who), weights));
            payloads.push(Writer::default());
        }
    }
    let updates = together
        .iter_mut()
        .map(|(who, kept, weights)| (*who, kept.scope_mut(CODEC), Values::Host(std::mem::take(weights))));
    let sent = if apart.contains(&false) { pipeline.describe(view, updates.collect())? } else { Vec::new() };
    together.into_iter().for_each(|(who, kept, _)| store.put_back(who, kept));
    let places = payloads.iter_mut().zip(apart).filter(|(_, is_apart)| !is_apart);
    places.zip(sent).for_each(|((place, _), payload)| *place = payload);
    Ok(payloads)
}

/// Sends an update to its fate; gives the payload that arrives, if it can be read. Where it `is_guarded`, one without a
/// payload is that of a collaborator whose update could not be encoded.
pub(super) fn deliver(
    ledger: &mut Ledger,
    message: &Message,
    fate: Fate,
    is_guarded: bool,
) -> Result<Option<Vec<u8>>> {
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
        Ok(message) if is_guarded && message.payload.is_empty() => {
            ledger.reject(who, Rejected::NotFinite);
            Ok(None)
        }
        Ok(message) => Ok(Some(message.payload)),
        Err(Error::Message { .. }) => {
            ledger.reject(who, Rejected::Malformed);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
