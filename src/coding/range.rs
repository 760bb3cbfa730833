//! A range coder (Martin 1979): a part of an interval for each symbol, as wide as its share of all.

/// The bits of a share: all shares are 2^16 together.
pub(crate) const SHARE_BITS: u32 = 16;
/// Below this an interval gets four bytes more.
const NARROW: u64 = 1 << 32;

/// The part of an interval that a symbol has, of 2^16.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    pub start: u32,
    pub width: u32,
}

/// Symbols as bytes.
#[derive(Debug)]
pub(crate) struct Encoder {
    bytes: Vec<u8>,
    low: u64,
    range: u64,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { bytes: Vec::new(), low: 0, range: u64::MAX }
    }
}

impl Encoder {
    /// One symbol.
    pub fn put(&mut self, share: Share) {
        let part = self.range >> SHARE_BITS;
        self.advance(part * u64::from(share.start));
        self.range = part * u64::from(share.width);
        if self.range < NARROW {
            self.bytes.extend(&self.low.to_be_bytes()[..4]);
            self.low <<= 32;
            self.range <<= 32;
        }
    }

    fn advance(&mut self, by: u64) {
        let (low, is_over) = self.low.overflowing_add(by);
        self.low = low;
        if is_over {
            for byte in self.bytes.iter_mut().rev() {
                *byte = byte.wrapping_add(1);
                if *byte != 0 {
                    break;
                }
            }
        }
    }

    /// The fewest bytes that, with zeros behind them, lie in the interval.
    pub fn finish(mut self) -> Vec<u8> {
        for count in 0..=8 {
            let rest = u64::MAX.checked_shr(8 * count).unwrap_or(0);
            let up = self.low.wrapping_neg() & rest;
            if up < self.range {
                self.advance(up);
                self.bytes.extend(&self.low.to_be_bytes()[..count as usize]);
                break;
            }
        }
        self.bytes
    }
}

/// Symbols of bytes. Behind their end there are zeros.
#[derive(Debug)]
pub(crate) struct Decoder<'a> {
    bytes: &'a [u8],
    /// Bytes that have been read, those behind the end too.
    read: usize,
    /// By how much the bytes lie above the interval's low end.
    offset: u64,
    range: u64,
}

impl<'a> Decoder<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        let mut decoder = Self { bytes, read: 0, offset: 0, range: u64::MAX };
        (0..2).for_each(|_| decoder.more());
        decoder
    }

    /// Four bytes more.
    fn more(&mut self) {
        let mut four = [0; 4];
        let left = self.bytes.get(self.read..).unwrap_or(&[]);
        let count = left.len().min(four.len());
        four[..count].copy_from_slice(&left[..count]);
        self.offset = self.offset << 32 | u64::from(u32::from_be_bytes(four));
        self.read += four.len();
    }

    /// Where in the interval the bytes lie, of 2^16: in the share of the next symbol.
    pub fn place(&self) -> u32 {
        let place = self.offset / (self.range >> SHARE_BITS);
        place.min((1 << SHARE_BITS) - 1) as u32
    }

    /// Goes on behind a symbol, in whose share the place was.
    pub fn pass(&mut self, share: Share) {
        let part = self.range >> SHARE_BITS;
        self.offset -= part * u64::from(share.start);
        self.range = part * u64::from(share.width);
        if self.range < NARROW {
            self.range <<= 32;
            self.more();
        }
    }

    /// Whether no symbol can have been in the bytes that were read.
    pub fn is_beyond(&self) -> bool {
        self.read > self.bytes.len() + 8
    }

    /// Whether all bytes were read.
    pub fn is_done(&self) -> bool {
        self.read >= self.bytes.len()
    }
}
