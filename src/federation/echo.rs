//! What arrived in a round, as it goes down again to those that have what it changes.
//!
//! A payload is, for each update that counted and in the order of ids, the id, the number of images and the number of bytes
//! in LEB128, and the bytes. Without updates it is empty: nothing has changed.

use crate::bytes::{Reader, Writer};
use crate::{Error, Result};

/// An update that counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Echoed<'a> {
    /// Whose it is.
    pub who: u32,
    /// Images that it was trained on.
    pub samples: usize,
    /// Its payload.
    pub payload: &'a [u8],
}

/// The payload of these updates, which are in the order of ids.
pub(super) fn write<'a>(updates: impl Iterator<Item = Echoed<'a>>) -> Vec<u8> {
    let mut bytes = Writer::default();
    for Echoed { who, samples, payload } in updates {
        bytes.number(who);
        bytes.number(samples as u64);
        bytes.number(payload.len() as u64);
        bytes.bytes(payload);
    }
    bytes.into_bytes()
}

/// The updates of a payload.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Echoed<'_>>> {
    let mut reader = Reader::new(bytes, "what arrived in a round");
    let mut updates: Vec<Echoed<'_>> = Vec::new();
    while !reader.is_empty() {
        let (who, samples, length) = (reader.number()?, reader.number()? as usize, reader.number()?);
        let payload = reader.bytes(length as usize)?;
        if updates.last().is_some_and(|last| last.who >= who) {
            let problem = format!("what arrived in a round has collaborator {who} out of order");
            return Err(Error::message(problem, "use the same version of fedfunnel on both sides"));
        }
        updates.push(Echoed { who, samples, payload });
    }
    Ok(updates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_is_three_numbers_and_the_bytes_of_each_update() {
        let of = |who, samples, payload| Echoed { who, samples, payload };
        let updates = [of(0, 100, &[1u8, 2, 3][..]), of(2, 300, &[]), of(130, 1, &[9])];
        let bytes = write(updates.into_iter());
        assert_eq!(bytes, [0, 100, 3, 1, 2, 3, 2, 0xac, 2, 0, 0x82, 1, 1, 1, 9]);
        assert_eq!(read(&bytes).unwrap(), updates);
        assert_eq!((write([].into_iter()).len(), read(&[]).unwrap().len()), (0, 0));
        for (bytes, words) in [
            (&[0u8, 1][..], "too early"),
            (&[0, 1, 5, 1], "too early"),
            (&[3, 1, 0, 3, 1, 0], "out of order"),
        ] {
            let error = read(bytes).unwrap_err().to_string();
            assert!(error.contains(words), "{bytes:?}: {error}");
        }
    }
}
