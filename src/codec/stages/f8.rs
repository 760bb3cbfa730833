//! One byte a value: the format E4M3 (Micikevicius et al. 2022, arXiv 2209.05433) with a scale for each tensor.
//!
//! ```text
//! s  = max |v| / 448
//! v' = s e4m3(v / s)
//! ```
//!
//! A byte is a sign, 4 bits of exponent `e` and 3 of mantissa `m`: `(8 + m) 2^(e - 10)`, and `m 2^-9` where `e` is 0.
//! The largest of them is 448; there is no infinity, and `e = 15, m = 7` is no number, which is refused.
//!
//! A message is the scales of the tensors as f32, and then the bytes. What is no whole update has one scale: see
//! [`Blocks`].

use super::blocks::{Blocks, Per, largest};
use super::written::{Form, Written};
use crate::Result;
use crate::bytes::{Reader, Writer};
use crate::codec::refusals::malformed;
use crate::codec::{About, Make, NoOptions, Round, StageKind};

pub(super) const KIND: StageKind = StageKind::new(
    F8::NAME,
    Make::Plain(|context, options| {
        options.parse::<NoOptions>()?;
        Ok(Box::new(Written(F8(Blocks::new(Per::Tensor, context.layout)))))
    }),
)
.about(About {
    summary: "one byte a value (E4M3), and a scale for each tensor",
    source: "Micikevicius et al. 2022 (arXiv 2209.05433)",
    good_for: "a quarter of the bytes at a 16th of a value's error",
    example: "delta+f8",
    ..About::NOTHING
});

/// The largest value.
const LARGEST: f32 = 448.0;
/// The bits of a byte that is no number, without its sign.
const NO_NUMBER: u8 = 0x7f;
/// What has to be added to an exponent of E4M3 to make it one of f32.
const BIAS: u32 = 120;

struct F8(Blocks);

/// The byte whose value is nearest; of two that are as near, the even one.
pub(super) fn nearest(value: f32) -> u8 {
    let sign = (value.to_bits() >> 24) as u8 & 0x80;
    let size = value.abs().min(LARGEST);
    // Below 2^-6 the values lie 2^-9 apart.
    if size < 1.0 / 64.0 {
        return sign | (size * 512.0).round_ties_even() as u8;
    }
    let bits = size.to_bits();
    let rounded = (bits + 0x7_ffff + (bits >> 20 & 1)) >> 20;
    sign | (rounded - (BIAS << 3)) as u8
}

/// The values of all bytes.
const VALUES: [f32; 256] = {
    let mut values = [0.0; 256];
    let mut byte = 0;
    while byte < values.len() {
        let (exponent, mantissa) = (byte as u32 >> 3 & 15, byte as u32 & 7);
        let size = match exponent {
            0 => mantissa as f32 / 512.0,
            _ => f32::from_bits((exponent + BIAS) << 23 | mantissa << 20),
        };
        values[byte] = if byte < 128 { size } else { -size };
        byte += 1;
    }
    values
};

/// What these bytes say, at a scale of 1. Refuses those that are no numbers.
pub(super) fn values_of(bytes: &[u8]) -> Result<Vec<f32>> {
    if bytes.iter().any(|byte| byte & NO_NUMBER == NO_NUMBER) {
        return Err(malformed("an update has a value of f8 that is no number"));
    }
    Ok(bytes.iter().map(|byte| VALUES[usize::from(*byte)]).collect())
}

impl Form for F8 {
    const NAME: &'static str = "f8";

    fn write(&self, _: &Round<'_>, _: u32, values: &[f32], side: &mut Writer) -> Result<()> {
        let mut bytes = Vec::with_capacity(values.len());
        for block in self.0.of(values) {
            let scale = largest(block) / LARGEST;
            side.floats(&[scale]);
            // Values too small for a scale are zeros.
            bytes.extend(block.iter().map(|value| if scale > 0.0 { nearest(value / scale) } else { 0 }));
        }
        side.bytes(&bytes);
        Ok(())
    }

    fn read(&self, due: usize, side: &mut Reader<'_>) -> Result<Vec<f32>> {
        let scales = self.0.scales(due, side)?;
        let mut left = values_of(side.bytes(due)?)?.into_iter();
        let mut values = Vec::with_capacity(due);
        for (length, scale) in self.0.lengths(due).zip(scales) {
            // A scale that was rounded up must not make the largest value infinite.
            let value = |value: f32| (value * scale).clamp(f32::MIN, f32::MAX);
            values.extend(left.by_ref().take(length).map(value));
        }
        Ok(values)
    }
}
