//! One byte a value at a scale that both sides know already, of as many values as there are: the slopes of steps
//! (Zelikman et al. 2023, arXiv 2306.10015).
//!
//! A message is the number of values in LEB128, and a byte of E4M3 for each, of a scale of 1: see `f8`. Values from 448 on
//! arrive as that, and where there are fewer values than the global model has, zeros stand for the others.

use super::f8::{nearest, values_of};
use super::written::{Form, Written};
use crate::Result;
use crate::bytes::{Reader, Writer};
use crate::codec::refusals::malformed;
use crate::codec::{About, Make, NoOptions, Round, StageKind};

pub(super) const KIND: StageKind = StageKind::new(
    Byte::NAME,
    Make::Plain(|_, options| {
        options.parse::<NoOptions>()?;
        Ok(Box::new(Written(Byte)))
    }),
)
.about(About {
    summary: "one byte a value (E4M3), with a scale of 1, of as many values as there are",
    source: "Zelikman et al. 2023, one byte a gradient (arXiv 2306.10015)",
    good_for: "slopes of steps, which onebyte sends",
    example: "onebyte",
    ..About::NOTHING
})
.for_systems();

struct Byte;

impl Form for Byte {
    const NAME: &'static str = "byte";

    fn write(&self, _: &Round<'_>, _: u32, values: &[f32], side: &mut Writer) -> Result<()> {
        side.number(values.len() as u64);
        side.bytes(&values.iter().map(|value| nearest(*value)).collect::<Vec<_>>());
        Ok(())
    }

    fn read(&self, due: usize, side: &mut Reader<'_>) -> Result<Vec<f32>> {
        let count = side.number()? as usize;
        if count > due {
            return Err(malformed(format!("an update has {count} bytes of values, and {due} are possible")));
        }
        let mut values = values_of(side.bytes(count)?)?;
        values.resize(due, 0.0);
        Ok(values)
    }
}
