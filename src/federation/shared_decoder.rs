//! A decoder that is for all: kept once, and sent to each collaborator when it first takes part.

use super::ledger::{Direction, Ledger};
use super::scopes::CODEC;
use crate::Result;
use crate::codec::{Kept, MessageKind, Pipeline, Store};
use crate::gpu::Gpu;
use crate::model::state::{StateFile, StateWriter, TensorShape};
use std::collections::BTreeSet;

/// The message that brings it.
const PAYLOAD: &str = "payload";
/// What every collaborator keeps of it, and what the aggregator keeps of each.
const SENDER: &str = "collaborator";
const RECEIVER: &str = "aggregator";

/// The decoder, who has it, and what both sides keep of it, which takes no memory of its own for any of them.
#[derive(Clone, Debug, Default)]
pub struct SharedDecoder {
    kept: Kept,
    holders: BTreeSet<u32>,
}

impl SharedDecoder {
    /// What both sides make of the payload as it has arrived.
    pub fn new(gpu: &Gpu, pipeline: &Pipeline, payload: &[u8]) -> Result<Self> {
        let mut kept = Kept::default();
        pipeline.adopt(gpu, payload, kept.scope_mut(SENDER))?;
        pipeline.install_shared(payload, kept.scope_mut(RECEIVER))?;
        kept.put_bytes(PAYLOAD, payload.to_vec());
        Ok(Self { kept, holders: BTreeSet::new() })
    }

    /// The payload, where there is such a decoder.
    pub fn payload(&self) -> Option<&[u8]> {
        self.kept.bytes(PAYLOAD)
    }

    /// Whether a collaborator has got it.
    pub fn is_held_by(&self, who: u32) -> bool {
        self.holders.contains(&who)
    }

    /// Those that have got it.
    pub fn holders(&self) -> impl Iterator<Item = u32> {
        self.holders.iter().copied()
    }

    /// What a collaborator keeps of it, and what the aggregator does.
    pub fn sides(&self) -> [&Kept; 2] {
        [self.kept.scope(SENDER), self.kept.scope(RECEIVER)]
    }

    /// A collaborator has got it: both sides keep it from here on. A checkpoint has it once for all of them.
    pub fn hand_to(&mut self, who: u32, collaborators: &mut Store, aggregator: &mut Store) {
        let [sender, receiver] = self.sides().map(Kept::sealed);
        *collaborators.of_mut(who).scope_mut(CODEC) = sender;
        *aggregator.of_mut(who).scope_mut(CODEC) = receiver;
        self.holders.insert(who);
    }

    /// Whom a ledger says that it was sent to.
    pub fn receivers(ledger: &Ledger) -> BTreeSet<u32> {
        let is_one = |kind, direction| kind == MessageKind::Setup && direction == Direction::Down;
        let sent = ledger.transfers.iter().filter(|t| is_one(t.kind, t.direction));
        sent.map(|t| t.collaborator).collect()
    }

    /// Says that it is in a checkpoint of its own.
    pub fn seal(&mut self) {
        self.kept.seal();
    }

    /// Bytes that a checkpoint would have of it.
    pub fn changed_bytes(&self) -> u64 {
        self.kept.changed_bytes()
    }

    /// The tensors of a checkpoint.
    pub fn shapes(&self, path: &str) -> Vec<TensorShape> {
        self.kept.shapes(path)
    }

    /// Puts it into a checkpoint.
    pub fn save(&self, path: &str, file: &mut StateWriter) -> Result<()> {
        self.kept.save(path, file)
    }

    /// Takes what a checkpoint has of it.
    pub fn load(&mut self, path: &str, file: &StateFile) -> Result<()> {
        self.kept.load(path, file)
    }
}
