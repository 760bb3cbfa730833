//! Every message, with its size as it crossed the wire.

use super::spec::Codec;
use crate::codec::{Message, MessageKind};
use crate::report::csv;
use crate::{Result, files};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From a collaborator to the aggregator.
    Up,
    /// From the aggregator to a collaborator.
    Down,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Which federation: the one with this codec.
    pub run: Codec,
    /// The round, from 1; 0 before the first.
    pub round: u32,
    /// Who sent or got it.
    pub collaborator: u32,
    /// Which way.
    pub direction: Direction,
    /// What about.
    pub kind: MessageKind,
    /// Bytes of the whole message.
    pub bytes: u64,
}

/// All messages of a simulation, in their order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ledger {
    /// The entries.
    pub transfers: Vec<Transfer>,
}

impl Ledger {
    /// Sends a message: serialises it, notes its size, and gives what arrives on the other side.
    pub fn send(&mut self, run: Codec, direction: Direction, message: &Message) -> Result<Message> {
        let bytes = message.to_bytes();
        self.transfers.push(Transfer {
            run,
            round: message.round,
            collaborator: message.collaborator,
            direction,
            kind: message.kind,
            bytes: bytes.len() as u64,
        });
        Message::from_bytes(&bytes)
    }

    /// Adds the messages of another one, as those of a federation that has them too.
    pub fn adopt(&mut self, run: Codec, other: &Self) {
        self.transfers.extend(other.transfers.iter().map(|transfer| Transfer { run, ..transfer.clone() }));
    }

    /// Bytes of all messages that `which` picks.
    pub fn bytes(&self, which: impl Fn(&Transfer) -> bool) -> u64 {
        self.transfers.iter().filter(|t| which(t)).map(|t| t.bytes).sum()
    }

    /// Bytes of a federation's last message of this kind.
    pub fn message_bytes(&self, run: Codec, kind: MessageKind) -> Option<u64> {
        self.transfers.iter().rev().find(|t| t.run == run && t.kind == kind).map(|t| t.bytes)
    }

    /// Writes it as CSV.
    pub fn save(&self, path: &Path) -> Result<()> {
        let columns = ["run", "round", "collaborator", "direction", "kind", "bytes"];
        let rows = self.transfers.iter().map(|t| {
            let direction = match t.direction {
                Direction::Up => "up",
                Direction::Down => "down",
            };
            vec![
                t.run.run().to_string(),
                t.round.to_string(),
                t.collaborator.to_string(),
                direction.to_string(),
                t.kind.name().to_string(),
                t.bytes.to_string(),
            ]
        });
        files::write_atomic(path, csv(&columns, rows).as_bytes())
    }
}
