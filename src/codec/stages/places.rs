//! The places of selected values in bits (Sattler et al. 2019, arXiv 1903.02891, algorithms 3 and 4): for each of k
//! places in order, its distance `d` from the place behind the one before, in a Golomb-Rice code. That is `d / 2^b` ones
//! and a zero, and the `b` lowest bits of `d`, the lowest first. Both sides know `b` from k and n.

use crate::bits::{BitReader, BitWriter};
use crate::bytes::Reader;
use crate::{Error, Result};

/// Places on their way out, and single bits between them.
pub(super) struct PlaceWriter {
    bits: BitWriter,
    rest: u32,
    next: usize,
}

impl PlaceWriter {
    /// For `count` places of `of` values.
    pub fn new(count: usize, of: usize) -> Self {
        Self { bits: BitWriter::default(), rest: rest_bits(count, of), next: 0 }
    }

    /// The next place, which lies behind the one before.
    pub fn place(&mut self, place: usize) {
        let distance = (place - self.next) as u64;
        (0..distance >> self.rest).for_each(|_| self.bits.bit(true));
        self.bits.bit(false);
        self.bits.bits(distance, self.rest);
        self.next = place + 1;
    }

    /// A bit about the place before it.
    pub fn bit(&mut self, bit: bool) {
        self.bits.bit(bit);
    }

    /// All of them, with zeros up to a whole byte.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bits.into_bytes()
    }
}

/// The bytes of these places, which are in order, among `of` values.
pub(super) fn places_to_bytes(places: &[usize], of: usize) -> Vec<u8> {
    let mut writer = PlaceWriter::new(places.len(), of);
    places.iter().for_each(|&place| writer.place(place));
    writer.into_bytes()
}

/// Places that came over the wire.
pub(super) struct PlaceReader<'a, 'b> {
    bits: BitReader<'a, 'b>,
    rest: u32,
    of: u64,
    left: u64,
}

impl<'a, 'b> PlaceReader<'a, 'b> {
    /// Reads `count` places of `of` values from where `side` is read next.
    pub fn new(count: usize, of: usize, side: &'a mut Reader<'b>) -> Self {
        Self { bits: BitReader::new(side), rest: rest_bits(count, of), of: of as u64, left: of as u64 }
    }

    /// The next place, which lies behind the one before and among the values. Errors where it lies beyond them.
    pub fn place(&mut self) -> Result<usize> {
        let of = self.of;
        let beyond = || {
            let problem = format!("an update has a place beyond its {of} values");
            Error::message(problem, "use the same model and codec on both sides")
        };
        let mut quotient = 0;
        while self.bits.bit()? {
            quotient += 1;
            // Refused at once, not at the end of as many ones as somebody sends.
            if quotient > self.left >> self.rest {
                return Err(beyond());
            }
        }
        let distance = (quotient << self.rest) + self.bits.bits(self.rest)?;
        self.left = self.left.checked_sub(distance + 1).ok_or_else(beyond)?;
        Ok((self.of - 1 - self.left) as usize)
    }

    /// The bit about the place before it.
    pub fn bit(&mut self) -> Result<bool> {
        self.bits.bit()
    }

    /// The end: refuses a last byte that is not filled up with zeros.
    pub fn finish(self) -> Result<()> {
        self.bits.finish()
    }
}

/// `of` values of which these lie at the places that come next, and the others are zeros.
pub(super) fn read_scattered(values: Vec<f32>, of: usize, side: &mut Reader<'_>) -> Result<Vec<f32>> {
    let mut scattered = vec![0.0; of];
    let mut places = PlaceReader::new(values.len(), of, side);
    for value in values {
        scattered[places.place()?] = value;
    }
    places.finish()?;
    Ok(scattered)
}

/// The bits of a distance's rest that make the shortest messages for `count` of `of` places taken by chance.
///
/// With `q = 1 - count / of` these are `1 + floor(log2(log(phi - 1) / log(q)))`, and none where that is negative: the
/// least `b` with `q^(2^b) < phi - 1`. Products round alike on all machines, which logarithms need not.
fn rest_bits(count: usize, of: usize) -> u32 {
    let golden = (5f64.sqrt() - 1.0) / 2.0;
    let mut power = 1.0 - count as f64 / of as f64;
    let mut bits = 0;
    // A share so small that it rounds to none would never get there.
    while power >= golden && bits < 32 {
        power *= power;
        bits += 1;
    }
    bits
}
