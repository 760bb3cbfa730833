//! Numbers of any count of bits, packed into bytes: the first bit is the lowest of the first byte.

use crate::bytes::Reader;
use crate::{Error, Result};

/// Bits that are written or read together.
const TOGETHER: u32 = 32;

/// Bits in the making.
#[derive(Clone, Debug, Default)]
pub struct BitWriter {
    bytes: Vec<u8>,
    /// The bits that fill no byte yet, and how many.
    left: u64,
    count: u32,
}

impl BitWriter {
    /// One bit.
    pub fn bit(&mut self, bit: bool) {
        self.put(bit.into(), 1);
    }

    /// The lowest `count` bits of a number, the lowest first; those beyond its 64 are zero.
    pub fn bits(&mut self, mut number: u64, mut count: u32) {
        while count > TOGETHER {
            self.put(number, TOGETHER);
            number >>= TOGETHER;
            count -= TOGETHER;
        }
        self.put(number, count);
    }

    fn put(&mut self, number: u64, count: u32) {
        self.left |= (number & ((1 << count) - 1)) << self.count;
        self.count += count;
        while self.count >= u8::BITS {
            self.bytes.push(self.left as u8);
            self.left >>= u8::BITS;
            self.count -= u8::BITS;
        }
    }

    /// All of them, with zeros up to a whole byte.
    pub fn into_bytes(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.bytes.push(self.left as u8);
        }
        self.bytes
    }
}

/// Bits that came over the wire, read from front to back. What ends too early is an [`Error::Message`].
#[derive(Debug)]
pub struct BitReader<'a, 'b> {
    bytes: &'a mut Reader<'b>,
    /// The bits of the last byte that are still to be read, and how many.
    left: u64,
    count: u32,
}

impl<'a, 'b> BitReader<'a, 'b> {
    /// Reads bits from where the bytes are read next, and of these no more than it needs.
    pub fn new(bytes: &'a mut Reader<'b>) -> Self {
        Self { bytes, left: 0, count: 0 }
    }

    /// One bit.
    pub fn bit(&mut self) -> Result<bool> {
        Ok(self.take(1)? == 1)
    }

    /// A number of `count` bits, of which a number has 64.
    pub fn bits(&mut self, count: u32) -> Result<u64> {
        let (mut number, mut place) = (0, 0);
        while place < count {
            let together = TOGETHER.min(count - place);
            number |= self.take(together)?.checked_shl(place).unwrap_or(0);
            place += together;
        }
        Ok(number)
    }

    fn take(&mut self, count: u32) -> Result<u64> {
        while self.count < count {
            self.left |= u64::from(self.bytes.byte()?) << self.count;
            self.count += u8::BITS;
        }
        let number = self.left & ((1 << count) - 1);
        self.left >>= count;
        self.count -= count;
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
