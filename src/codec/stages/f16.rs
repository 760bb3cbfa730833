//! Values at half precision: two bytes each, rounded to the nearest.

use crate::codec::{About, Incoming, Kept, Make, NoOptions, Outgoing, Round, Stage, StageKind, Values};
use crate::ops::code::Rounding;
use crate::{Error, Result};

pub(super) const KIND: StageKind = StageKind::new(
    "f16",
    Make::Plain(|_, options| options.parse::<NoOptions>().map(|_| Box::new(F16) as Box<dyn Stage>)),
)
.about(About {
    summary: "two bytes a value, rounded to the nearest",
    good_for: "half of the bytes at no loss that shows; behind a code, or the values that topk leaves",
    example: "delta+f16",
    ..About::NOTHING
});

/// The largest value that does not round to infinity.
const LARGEST: f32 = 65_519.0;

struct F16;

impl Stage for F16 {
    fn label(&self) -> String {
        "f16".into()
    }

    fn leaves(&self, _: usize, _: &Kept) -> Option<usize> {
        Some(0)
    }

    fn rounding(&self) -> Rounding {
        Rounding::F16
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        for outgoing in batch {
            let values = outgoing.values.take(round.gpu)?;
            if let Some(value) = values.iter().find(|value| value.abs() > LARGEST) {
                let problem =
                    format!("collaborator {} has a value of {value}, too large for f16", outgoing.who);
                return Err(Error::setting("codecs", problem, "leave f16 out, or put delta before it"));
            }
            outgoing.side.halves(&values);
        }
        Ok(())
    }

    fn decode(&self, _: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        for incoming in batch {
            incoming.values = Values::Host(incoming.side.halves(incoming.due)?);
        }
        Ok(())
    }
}
