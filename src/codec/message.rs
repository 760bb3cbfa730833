//! What crosses the wire, byte for byte.
//!
//! A message is one byte of version and kind, the round and the collaborator as LEB128 numbers (one byte
//! each below 128), and the payload. The transport frames it and knows its length; which codec made the
//! payload was agreed when the collaborator joined.

use crate::{Error, Result};

const VERSION: u8 = 1;

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum MessageKind {
    /// A collaborator joins and says how many samples it has.
    Join = 0,
    /// The aggregator sends the global model.
    GlobalModel = 1,
    /// A collaborator sends its weights as they are.
    RawUpdate = 2,
    /// A collaborator sends a code of its weights.
    CodedUpdate = 3,
    /// A collaborator sends its decoder, once.
    Decoder = 4,
}

impl MessageKind {
    /// Its name in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::GlobalModel => "global_model",
            Self::RawUpdate => "raw_update",
            Self::CodedUpdate => "coded_update",
            Self::Decoder => "decoder",
        }
    }
}

/// A message, before or after the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is about.
    pub kind: MessageKind,
    /// The round, from 1; 0 before the first.
    pub round: u32,
    /// Who sends or gets it.
    pub collaborator: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Message {
    /// The bytes that cross the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.payload.len() + 11);
        bytes.push(VERSION << 4 | self.kind as u8);
        push_number(&mut bytes, self.round);
        push_number(&mut bytes, self.collaborator);
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    /// Reads what came over the wire.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let wrong = |problem: &str| {
            Error::message(format!("a message {problem}"), "use the same version of fedfunnel on both sides")
        };
        let (&head, mut rest) = bytes.split_first().ok_or_else(|| wrong("is empty"))?;
        if head >> 4 != VERSION {
            return Err(wrong(&format!("has version {}, this program knows {VERSION}", head >> 4)));
        }
        let kind = match head & 15 {
            0 => MessageKind::Join,
            1 => MessageKind::GlobalModel,
            2 => MessageKind::RawUpdate,
            3 => MessageKind::CodedUpdate,
            4 => MessageKind::Decoder,
            other => return Err(wrong(&format!("has the unknown kind {other}"))),
        };
        let mut number = || take_number(&mut rest).ok_or_else(|| wrong("ends within its header"));
        let (round, collaborator) = (number()?, number()?);
        Ok(Self { kind, round, collaborator, payload: rest.to_vec() })
    }
}

/// Appends a number as LEB128: seven bits a byte, the lowest first.
pub fn push_number(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a LEB128 number off the front.
pub fn take_number(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0u32;
    for shift in (0..35).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u32::from(byte & 0x7f);
        if shift == 28 && bits > 0xf {
            return None;
        }
        number |= bits << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_header_of_a_small_federation_is_three_bytes() {
        let message =
            Message { kind: MessageKind::CodedUpdate, round: 10, collaborator: 1, payload: vec![0; 128] };
        assert_eq!(message.to_bytes().len(), 131);
    }

    #[test]
    fn other_versions_and_kinds_are_refused() {
        for bytes in [&[][..], &[0x21, 0, 0], &[0x1f, 0, 0], &[0x11], &[0x11, 0x80], &[0x11, 0, 0xff]] {
            assert!(Message::from_bytes(bytes).is_err(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_sent_is_what_arrives(round: u32, collaborator: u32, kind in 0..5u8, payload: Vec<u8>) {
            let kind = [MessageKind::Join, MessageKind::GlobalModel, MessageKind::RawUpdate,
                MessageKind::CodedUpdate, MessageKind::Decoder][usize::from(kind)];
            let message = Message { kind, round, collaborator, payload };
            prop_assert_eq!(Message::from_bytes(&message.to_bytes()).unwrap(), message);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Message::from_bytes(&bytes);
        }
    }
}
