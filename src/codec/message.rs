//! What crosses the wire, byte for byte.
//!
//! A message is one byte of version, checksum flag and kind, the round and the collaborator as LEB128 numbers (one
//! byte each below 128), and the payload. The transport frames it and knows its length; which codec made the payload
//! was agreed when the collaborator joined. Where the transport does not vouch for its bytes, four bytes of CRC-32C
//! over all that stands before them end the message.

use crate::bytes::{Reader, Writer};
use crate::{Error, Result};

const VERSION: u8 = 2;

/// Set in the first byte of a message that ends with a checksum.
const CHECKSUM: u8 = 8;

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum MessageKind {
    /// A collaborator joins and says how many samples it has.
    Join = 0,
    /// The aggregator sends the global model.
    Model = 1,
    /// A collaborator sends what its updates are decoded with, once.
    Setup = 2,
    /// A collaborator sends its update.
    Update = 3,
    /// What a local rule adds, either way: control variates.
    Control = 4,
}

impl MessageKind {
    const ALL: [Self; 5] = [Self::Join, Self::Model, Self::Setup, Self::Update, Self::Control];

    /// Its name in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Model => "model",
            Self::Setup => "setup",
            Self::Update => "update",
            Self::Control => "control",
        }
    }
}

/// A message, before or after the wire.
///
/// ```
/// use fedfunnel::codec::{Message, MessageKind};
///
/// let payload = vec![1, 2, 3];
/// let message = Message { kind: MessageKind::Update, round: 1, collaborator: 300, payload };
/// // Version 2 and kind 3, the round, the collaborator in two bytes, and the payload.
/// assert_eq!(message.to_bytes(false), [0x23, 1, 0xac, 2, 1, 2, 3]);
/// let mut bytes = message.to_bytes(true);
/// assert_eq!(Message::from_bytes(&bytes, true)?, message);
/// bytes[5] ^= 1;
/// assert!(Message::from_bytes(&bytes, true).is_err());
/// # Ok::<(), fedfunnel::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is about.
    pub kind: MessageKind,
    /// The round, from 1; 0 before the first.
    pub round: u32,
    /// The collaborator that sends or gets it.
    pub collaborator: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// A message where it lies in the bytes that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageView<'a> {
    /// What it is about.
    pub kind: MessageKind,
    /// The round, from 1; 0 before the first.
    pub round: u32,
    /// The collaborator that sends or gets it.
    pub collaborator: u32,
    /// What it carries.
    pub payload: &'a [u8],
}

impl Message {
    /// What stands before the payload, with a checksum at the end of all or without.
    pub fn head(&self, checksum: bool) -> Vec<u8> {
        let mut bytes = Writer::default();
        bytes.byte(VERSION << 4 | if checksum { CHECKSUM } else { 0 } | self.kind as u8);
        bytes.number(self.round);
        bytes.number(self.collaborator);
        bytes.into_bytes()
    }

    /// The bytes that cross the wire, with a checksum at their end or without.
    pub fn to_bytes(&self, checksum: bool) -> Vec<u8> {
        let mut bytes = self.head(checksum);
        bytes.extend_from_slice(&self.payload);
        if checksum {
            bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        }
        bytes
    }

    /// How many bytes cross the wire.
    pub fn length(&self, checksum: bool) -> u64 {
        Self::envelope(self.round, self.collaborator, checksum) + self.payload.len() as u64
    }

    /// How many bytes of a message are not its payload: its header, and its checksum where it has one.
    pub fn envelope(round: u32, collaborator: u32, checksum: bool) -> u64 {
        let numbers = [round, collaborator].map(|number| u64::from(number.max(1).ilog2()) / 7 + 1);
        1 + numbers.iter().sum::<u64>() + if checksum { 4 } else { 0 }
    }

    /// Whether a message that begins like these bytes ends with a checksum, as its first byte says; none where no
    /// message of this version begins so.
    pub fn claims_checksum(bytes: &[u8]) -> Option<bool> {
        let head = *bytes.first()?;
        let is_one = head >> 4 == VERSION && MessageKind::ALL.iter().any(|kind| *kind as u8 == head & 7);
        is_one.then_some(head & CHECKSUM != 0)
    }

    /// Reads what came over the wire. `checksum` says whether both sides agreed on one.
    pub fn from_bytes(bytes: &[u8], checksum: bool) -> Result<Self> {
        let MessageView { kind, round, collaborator, payload } = MessageView::of(bytes, checksum)?;
        Ok(Self { kind, round, collaborator, payload: payload.to_vec() })
    }
}

impl<'a> MessageView<'a> {
    /// Looks at what came over the wire. `checksum` says whether both sides agreed on one.
    pub fn of(bytes: &'a [u8], checksum: bool) -> Result<Self> {
        let wrong = |problem: &str| {
            Error::message(format!("a message {problem}"), "use the same version of fedfunnel on both sides")
        };
        let head = *bytes.first().ok_or_else(|| wrong("is empty"))?;
        if head >> 4 != VERSION {
            return Err(wrong(&format!("has version {}, this program knows {VERSION}", head >> 4)));
        }
        let number = head & 7;
        let kind = MessageKind::ALL.into_iter().find(|kind| *kind as u8 == number);
        let kind = kind.ok_or_else(|| wrong(&format!("has the unknown kind {number}")))?;
        if (head & CHECKSUM != 0) != checksum {
            return Err(wrong(if checksum {
                "has no checksum"
            } else {
                "has a checksum that was not agreed on"
            }));
        }
        let bytes = if checksum { checked(bytes)? } else { bytes };
        let mut reader = Reader::new(&bytes[1..], "a message's header");
        let (round, collaborator) = (reader.number()?, reader.number()?);
        let payload = reader.bytes(reader.len())?;
        Ok(Self { kind, round, collaborator, payload })
    }
}

/// The bytes before a checksum that fits them.
fn checked(bytes: &[u8]) -> Result<&[u8]> {
    match bytes.split_last_chunk::<4>() {
        Some((bytes, sum)) if !bytes.is_empty() && crc32c::crc32c(bytes).to_le_bytes() == *sum => Ok(bytes),
        _ => Err(Error::message("a message was damaged on its way (its checksum is wrong)", "send it again")),
    }
}

/// Bytes of a message before the first round, with a payload of so many and no checksum, to or from one of the first
/// 128 collaborators.
pub fn message_bytes(payload: usize) -> u64 {
    3 + payload as u64
}
