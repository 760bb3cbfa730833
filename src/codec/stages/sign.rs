//! One bit a value and a scale for each tensor: the scaled sign of Karimireddy et al. 2019 (arXiv 1901.09847), which
//! learns behind `feedback`.
//!
//! ```text
//! s  = mean |v|
//! v' = s sign(v)
//! ```
//!
//! Of all multiples of the signs this one is nearest: `|v - v'|^2 = |v|^2 - n s^2`. The sign of zero is positive.
//!
//! A message is the scales of the tensors as f32, and then a bit for each value, a one for a negative value. What is no
//! whole update has one scale: see [`Blocks`].

use super::blocks::{Blocks, Per, mean};
use super::written::{Form, Written};
use crate::Result;
use crate::bits::{BitReader, BitWriter};
use crate::bytes::{Reader, Writer};
use crate::codec::{About, Make, NoOptions, Round, StageKind};

pub(super) const KIND: StageKind = StageKind::new(
    Sign::NAME,
    Make::Plain(|context, options| {
        options.parse::<NoOptions>()?;
        Ok(Box::new(Written(Sign(Blocks::new(Per::Tensor, context.layout)))))
    }),
)
.about(About {
    summary: "one bit a value, and a scale for each tensor",
    source: "Karimireddy et al. 2019, signSGD with error feedback (arXiv 1901.09847)",
    good_for: "32 times fewer bytes; behind delta and feedback",
    example: "delta+feedback+sign",
    ..About::NOTHING
});

struct Sign(Blocks);

impl Form for Sign {
    const NAME: &'static str = "sign";

    fn write(&self, _: &Round<'_>, _: u32, values: &[f32], side: &mut Writer) -> Result<()> {
        self.0.of(values).for_each(|block| side.floats(&[mean(block)]));
        let mut bits = BitWriter::default();
        values.iter().for_each(|value| bits.bit(*value < 0.0));
        side.bytes(&bits.into_bytes());
        Ok(())
    }

    fn read(&self, due: usize, side: &mut Reader<'_>) -> Result<Vec<f32>> {
        let scales = self.0.scales(due, side)?;
        let mut bits = BitReader::new(side);
        let mut values = Vec::with_capacity(due);
        for (length, scale) in self.0.lengths(due).zip(scales) {
            for _ in 0..length {
                values.push(if bits.bit()? { -scale } else { scale });
            }
        }
        bits.finish()?;
        Ok(values)
    }
}
