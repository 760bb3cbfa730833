//! Every message, with its size as it crossed the wire.

use crate::codec::{Message, MessageKind};
use crate::report::csv;
use crate::{Result, files};
use std::path::Path;

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From a collaborator to the aggregator.
    Up,
    /// From the aggregator to a collaborator.
    Down,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// "raw" or "compressed": which of the two federations.
    pub run: &'static str,
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
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// The entries.
    pub transfers: Vec<Transfer>,
}

impl Ledger {
    /// Sends a message: serialises it, notes its size, and gives what arrives on the other side.
    pub fn send(&mut self, run: &'static str, direction: Direction, message: &Message) -> Result<Message> {
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

    /// Bytes of all messages that `which` picks.
    pub fn bytes(&self, which: impl Fn(&Transfer) -> bool) -> u64 {
        self.transfers.iter().filter(|t| which(t)).map(|t| t.bytes).sum()
    }

    /// Bytes of the first message of this kind.
    pub fn message_bytes(&self, kind: MessageKind) -> Option<u64> {
        self.transfers.iter().find(|t| t.kind == kind).map(|t| t.bytes)
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
                t.run.to_string(),
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
