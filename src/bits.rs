//! Numbers of any count of bits, packed into bytes: the first bit is the lowest of the first byte.

use crate::bytes::Reader;
use crate::{Error, Result};

/// Bits in the making.
#[derive(Clone, Debug, Default)]
pub struct BitWriter {
    bytes: Vec<u8>,
    /// Bits of the last byte that are written.
    filled: u32,
}

impl BitWriter {
    /// One bit.
    pub fn bit(&mut self, bit: bool) {
        let place = self.filled % u8::BITS;
        if place == 0 {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << place;
        }
        self.filled = place + 1;
    }

    /// The lowest `count` bits of a number, the lowest first; those beyond its 64 are zero.
    pub fn bits(&mut self, number: u64, count: u32) {
        (0..count).for_each(|place| self.bit(number.checked_shr(place).unwrap_or(0) & 1 == 1));
    }

    /// All of them, with zeros up to a whole byte.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Bits that came over the wire, read from front to back. What ends too early is an [`Error::Message`].
#[derive(Debug)]
pub struct BitReader<'a, 'b> {
    bytes: &'a mut Reader<'b>,
    /// The bits of the last byte that are still to be read, and how many.
    left: u8,
    count: u32,
}

impl<'a, 'b> BitReader<'a, 'b> {
    /// Reads bits from where the bytes are read next, and of these no more than it needs.
    pub fn new(bytes: &'a mut Reader<'b>) -> Self {
        Self { bytes, left: 0, count: 0 }
    }

    /// One bit.
    pub fn bit(&mut self) -> Result<bool> {
        if self.count == 0 {
            (self.left, self.count) = (self.bytes.byte()?, u8::BITS);
        }
        let bit = self.left & 1 == 1;
        (self.left, self.count) = (self.left >> 1, self.count - 1);
        Ok(bit)
    }

    /// A number of `count` bits, of which a number has 64.
    pub fn bits(&mut self, count: u32) -> Result<u64> {
        let mut number = 0;
        for place in 0..count {
            number |= u64::from(self.bit()?).checked_shl(place).unwrap_or(0);
        }
        Ok(number)
    }

    /// The end: refuses a last byte that is not filled up with zeros.
    pub fn finish(self) -> Result<()> {
        if self.left == 0 {
            return Ok(());
        }
        let problem = "an update has bits behind its last value that are not zero";
        Err(Error::message(problem, "use the same model and codec on both sides"))
    }
}
