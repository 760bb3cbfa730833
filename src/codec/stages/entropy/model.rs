//! How often each byte comes, learned from those that came before, on both sides alike.
//!
//! Shares are counted anew only now and then (Said 2004, "Introduction to Arithmetic Coding", HPL-2004-76), so that a byte
//! costs a look into a table.

use crate::coding::range::{SHARE_BITS, Share};

pub(super) const BYTES: usize = 256;
/// What a byte that came adds to its count, which is 1 before.
pub(super) const STEP: u32 = 16;
/// Counts are halved beyond this, so that what came long ago is forgotten.
const MOST: u32 = STEP << 15;
/// Bytes between two counts of the shares at most.
const LONGEST: u32 = 1024;
/// A place's lowest bits that the guide does not tell apart.
const GUIDE_SHIFT: u32 = SHARE_BITS - 12;

/// Of one lane of a message.
#[derive(Clone, Debug)]
pub(super) struct Model {
    counts: [u32; BYTES],
    total: u32,
    /// Where each byte's share begins, and where the last one's ends.
    starts: [u32; BYTES + 1],
    /// The byte in whose share a place of these highest bits lies, or one before it.
    guide: [u8; 1 << (SHARE_BITS - GUIDE_SHIFT)],
    /// Bytes between two counts of the shares, and until the next one.
    interval: u32,
    left: u32,
}

impl Model {
    pub fn new() -> Self {
        let mut model = Self {
            counts: [1; BYTES],
            total: BYTES as u32,
            starts: [0; BYTES + 1],
            guide: [0; 1 << (SHARE_BITS - GUIDE_SHIFT)],
            interval: 1,
            left: 1,
        };
        model.share_out();
        model
    }

    /// The share of a byte.
    pub fn share(&self, byte: u8) -> Share {
        let start = self.starts[usize::from(byte)];
        Share { start, width: self.starts[usize::from(byte) + 1] - start }
    }

    /// The byte in whose share a place lies.
    pub fn at(&self, place: u32) -> u8 {
        let mut byte = self.guide[(place >> GUIDE_SHIFT) as usize];
        while byte < u8::MAX && self.starts[usize::from(byte) + 1] <= place {
            byte += 1;
        }
        byte
    }

    /// A byte came.
    pub fn count(&mut self, byte: u8) {
        self.counts[usize::from(byte)] += STEP;
        self.total += STEP;
        self.left -= 1;
        if self.left == 0 {
            self.interval = (self.interval + self.interval / 2 + 1).min(LONGEST);
            self.left = self.interval;
            if self.total > MOST {
                self.counts.iter_mut().for_each(|count| *count = count.div_ceil(2));
                self.total = self.counts.iter().sum();
            }
            self.share_out();
        }
    }

    /// Shares by the counts, none of them empty.
    fn share_out(&mut self) {
        let free = (1u64 << SHARE_BITS) - BYTES as u64;
        // A share of the total in units of 2^-32.
        let unit = (free << 32) / u64::from(self.total);
        let (mut before, mut guided) = (0u64, 0);
        for byte in 0..BYTES {
            before += u64::from(self.counts[byte]);
            let end = byte as u32 + 1 + ((before * unit) >> 32) as u32;
            // The last share has what rounding leaves.
            let end = if byte + 1 == BYTES { 1 << SHARE_BITS } else { end };
            self.starts[byte + 1] = end;
            // The guide's entries that begin in this share.
            let reached = (end.div_ceil(1 << GUIDE_SHIFT) as usize).min(self.guide.len());
            if reached > guided {
                self.guide[guided..reached].fill(byte as u8);
                guided = reached;
            }
        }
    }
}
