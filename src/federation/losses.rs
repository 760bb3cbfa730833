//! The loss of the round's global model on collaborators' own images, where a rule weighs by it.

use super::clients::{Clients, LocalWork};
use super::ledger::{Direction, Ledger};
use crate::Result;
use crate::bytes::{bytes_to_floats, floats_to_bytes};
use crate::codec::{Message, MessageKind};
use std::collections::BTreeMap;

/// Has each of `who` measure the model that it begins `work` with, before it trains, and send the loss in four bytes;
/// gives what arrives, by id.
pub(super) fn gather_losses(
    ledger: &mut Ledger,
    collaborators: &mut Clients,
    round: u32,
    (who, global): (&[u32], &[f32]),
    work: &LocalWork<'_>,
    progress: &mut dyn FnMut(u32),
) -> Result<BTreeMap<u32, f64>> {
    let losses = collaborators.losses(who, global, work, progress)?;
    let send = |(&collaborator, loss): (&u32, f64)| {
        let (kind, payload) = (MessageKind::Control, floats_to_bytes(&[loss as f32]));
        let arrived = ledger.send(Direction::Up, &Message { kind, round, collaborator, payload })?;
        let loss = bytes_to_floats(&arrived.payload, 1, "a loss")?;
        Ok((collaborator, f64::from(loss[0])))
    };
    who.iter().zip(losses).map(send).collect()
}
