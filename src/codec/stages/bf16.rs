//! The upper halves of f32 (bfloat16): two bytes each, rounded to the nearest, with the range of f32 and 8 bits of
//! precision where [`f16`](super::f16) has 11.

use super::written::{Form, Written};
use crate::bytes::{Reader, Writer};
use crate::codec::{About, Make, NoOptions, Round, StageKind};
use crate::ops::code::Rounding;
use crate::{Error, Result};
use half::bf16;

pub(super) const KIND: StageKind = StageKind::new(
    Bf16::NAME,
    Make::Plain(|_, options| {
        options.parse::<NoOptions>()?;
        Ok(Box::new(Written(Bf16)))
    }),
)
.about(About {
    summary: "two bytes a value: the upper halves of f32",
    good_for: "values of any size, at half the bytes; codes that are tuned are tuned for it",
    example: "delta+bf16",
    ..About::NOTHING
});

struct Bf16;

impl Form for Bf16 {
    const NAME: &'static str = "bf16";

    fn rounding(&self) -> Rounding {
        Rounding::Bf16
    }

    fn write(&self, _: &Round<'_>, who: u32, values: &[f32], side: &mut Writer) -> Result<()> {
        let mut bytes = Vec::with_capacity(2 * values.len());
        for &value in values {
            let rounded = bf16::from_f32(value);
            if rounded.is_infinite() {
                let problem = format!("collaborator {who} has a value of {value}, too large for bf16");
                return Err(Error::diverged("codecs: bf16", problem, "use a smaller optimizer.lr"));
            }
            bytes.extend(rounded.to_le_bytes());
        }
        side.bytes(&bytes);
        Ok(())
    }

    fn read(&self, due: usize, side: &mut Reader<'_>) -> Result<Vec<f32>> {
        let bytes = side.bytes(due.saturating_mul(2))?;
        Ok(bytes.chunks_exact(2).map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect())
    }
}
