//! Every byte that crosses the wire, message by message.

use crate::bytes::BytesPart;
use crate::codec::{Message, MessageKind};
use crate::report::csv;
use crate::{Error, Result, files};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From a collaborator to the aggregator.
    Up,
    /// From the aggregator to a collaborator.
    Down,
}

/// Why a message counted for nothing, though its bytes were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rejected {
    /// It came after the round.
    Late,
    /// It came before.
    Duplicate,
    /// Its bytes are none of such a message.
    Malformed,
    /// It decodes to values that are not finite.
    NotFinite,
    /// It decodes to a change of the model that is far longer than others'.
    TooLong,
}

impl Rejected {
    /// Its name in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Duplicate => "duplicate",
            Self::Malformed => "malformed",
            Self::NotFinite => "not-finite",
            Self::TooLong => "too-long",
        }
    }
}

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// The round, from 1; 0 before the first. In an asynchronous federation that of the next step of the global model,
    /// when the message was sent to a collaborator or arrived from one.
    pub round: u32,
    /// The collaborator that sent or got it.
    pub collaborator: u32,
    /// Which way.
    pub direction: Direction,
    /// What about.
    pub kind: MessageKind,
    /// Bytes of the whole message.
    pub bytes: u64,
    /// Why it counted for nothing, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Rejected>,
}

/// All messages of a federation, in their order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// Whether messages end with a checksum.
    pub checksum: bool,
    /// The entries.
    pub transfers: Vec<Transfer>,
    /// Whose the bytes of updates' payloads are, over all messages of which that is known, in the order in which they
    /// first stood in one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<BytesPart>,
}

impl Ledger {
    /// No messages yet.
    pub fn new(checksum: bool) -> Self {
        Self { checksum, ..Self::default() }
    }

    /// Sends a message: serialises it, notes its size, and gives what arrives on the other side.
    pub fn send(&mut self, direction: Direction, message: &Message) -> Result<Message> {
        let bytes = message.to_bytes(self.checksum);
        self.note(direction, message, bytes.len() as u64);
        Message::from_bytes(&bytes, self.checksum)
    }

    /// The same of a message a bit of which is another when it arrives: `bit` says which, modulo their number. What
    /// arrives may be no such message any more.
    pub fn send_damaged(&mut self, direction: Direction, message: &Message, bit: u64) -> Result<Message> {
        let mut bytes = message.to_bytes(self.checksum);
        self.note(direction, message, bytes.len() as u64);
        let bit = bit % (8 * bytes.len() as u64);
        bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
        let arrived = Message::from_bytes(&bytes, self.checksum)?;
        let of = |message: &Message| (message.kind, message.round, message.collaborator);
        if of(&arrived) == of(message) {
            return Ok(arrived);
        }
        Err(Error::message("a message came from where none was due", "send it again"))
    }

    fn note(&mut self, direction: Direction, message: &Message, bytes: u64) {
        let &Message { kind, round, collaborator, .. } = message;
        self.transfers.push(Transfer { round, collaborator, direction, kind, bytes, rejected: None });
    }

    /// Notes whose the bytes of an update's payload are that was sent so many times.
    pub fn note_parts(&mut self, parts: &[BytesPart], times: usize) {
        for part in parts.iter().filter(|_| times > 0) {
            let bytes = part.bytes.saturating_mul(times);
            match self.parts.iter_mut().find(|known| known.name == part.name) {
                Some(known) => known.bytes = known.bytes.saturating_add(bytes),
                None => self.parts.push(BytesPart { name: part.name.clone(), bytes }),
            }
        }
    }

    /// Bytes of a message of this ledger that are not its payload.
    pub fn envelope(&self, sent: &Transfer) -> u64 {
        Message::envelope(sent.round, sent.collaborator, self.checksum).min(sent.bytes)
    }

    /// Notes why the last update of a collaborator counted for nothing.
    pub fn reject(&mut self, who: u32, why: Rejected) {
        let is_its = |t: &&mut Transfer| {
            t.collaborator == who && t.direction == Direction::Up && t.kind == MessageKind::Update
        };
        if let Some(last) = self.transfers.iter_mut().rev().find(is_its) {
            last.rejected = Some(why);
        }
    }

    /// Sends the same payload to all of these collaborators; gives the payload that arrives. It is the same for all, so
    /// that one message is serialised, and the others are counted.
    pub fn broadcast(
        &mut self,
        kind: MessageKind,
        round: u32,
        to: &[u32],
        payload: Vec<u8>,
    ) -> Result<Vec<u8>> {
        let Some((&first, others)) = to.split_first() else { return Ok(payload) };
        let mut message = Message { kind, round, collaborator: first, payload };
        let arrived = self.send(Direction::Down, &message)?;
        for &collaborator in others {
            message.collaborator = collaborator;
            self.note(Direction::Down, &message, message.length(self.checksum));
        }
        Ok(arrived.payload)
    }

    /// Bytes of all messages that `which` picks.
    pub fn bytes(&self, which: impl Fn(&Transfer) -> bool) -> u64 {
        self.transfers.iter().filter(|t| which(t)).map(|t| t.bytes).sum()
    }

    /// Bytes of the last round so far, from or to the collaborators. What it sent stands at the end.
    pub fn bytes_of_last(&self, round: u32, direction: Direction) -> u64 {
        let own = self.transfers.iter().rev().take_while(|t| t.round == round);
        own.filter(|t| t.direction == direction).map(|t| t.bytes).sum()
    }

    /// Bytes of the messages that `which` picks in each of so many rounds, what came before the first in front.
    pub fn bytes_by_round(&self, rounds: usize, which: impl Fn(&Transfer) -> bool) -> Vec<u64> {
        let mut sums = vec![0; rounds + 1];
        for transfer in self.transfers.iter().filter(|t| which(t)) {
            if let Some(sum) = sums.get_mut(transfer.round as usize) {
                *sum += transfer.bytes;
            }
        }
        sums
    }

    /// Bytes of the last message of this kind that went this way.
    pub fn message_bytes(&self, direction: Direction, kind: MessageKind) -> Option<u64> {
        let is_one = |t: &&Transfer| t.direction == direction && t.kind == kind;
        self.transfers.iter().rev().find(is_one).map(|t| t.bytes)
    }
}

/// Writes the ledgers of federations, by their labels, as one CSV file.
pub fn save_ledgers<'a>(path: &Path, ledgers: impl Iterator<Item = (&'a str, &'a Ledger)>) -> Result<()> {
    let columns = ["run", "round", "collaborator", "direction", "kind", "bytes", "rejected"];
    let rows = ledgers.flat_map(|(label, ledger)| {
        ledger.transfers.iter().map(move |t| {
            let direction = match t.direction {
                Direction::Up => "up",
                Direction::Down => "down",
            };
            vec![
                label.to_string(),
                t.round.to_string(),
                t.collaborator.to_string(),
                direction.to_string(),
                t.kind.name().to_string(),
                t.bytes.to_string(),
                t.rejected.map_or("", Rejected::name).to_string(),
            ]
        })
    });
    files::write_atomic(path, csv(&columns, rows).as_bytes())
}
