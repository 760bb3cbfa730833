//! The signs of the largest values and one magnitude for all of them (Sattler et al. 2019, arXiv 1903.02891,
//! algorithm 1): the others are taken as zeros.
//!
//! ```text
//! m  = mean of |v| over the k largest |v|
//! v' = +m or -m at their places, 0 elsewhere
//! ```
//!
//! A message is `m` as f32, and then in bits, for each of the k places in order, the place as `places.rs` writes it, and
//! its sign, a one for a negative value.

use super::largest::take_largest;
use super::places::{PlaceReader, PlaceWriter};
use super::share::Share;
use crate::codec::{
    About, FreeOption, Incoming, Kept, Make, OptionAbout, Outgoing, Round, Stage, StageKind, Values,
};
use crate::{Error, Result};
use serde::Deserialize;

pub(super) const KIND: StageKind = StageKind::new(
    "ternary",
    Make::Plain(|context, options| {
        let Given { part, count } = options.parse()?;
        Ok(Box::new(Ternary(Share::new(options, part, count, context.parameters())?)))
    }),
)
.about(About {
    summary: "the signs of the largest values, one magnitude for all of them, and their places in a Golomb \
         code",
    source: "Sattler et al. 2019, sparse ternary compression (arXiv 1903.02891)",
    options: &[OptionAbout::PART, OptionAbout::COUNT],
    good_for: "the most values in the fewest bytes, about one byte each; behind delta and feedback",
    example: "delta+feedback+ternary(part=0.01)",
})
.free(FreeOption::COUNT);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    part: Option<f64>,
    count: Option<usize>,
}

/// Leaves nothing; writes the magnitude, and the places and signs in bits.
struct Ternary(Share);

const FIELD: &str = "codecs: ternary";

impl Stage for Ternary {
    fn label(&self) -> String {
        format!("ternary({})", self.0)
    }

    fn leaves(&self, _: usize, _: &Kept) -> Option<usize> {
        Some(0)
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        let all = take_largest(round.gpu, batch, |of| self.0.to_send(FIELD, of))?;
        for (outgoing, chosen) in batch.iter_mut().zip(all) {
            // What is not finite is larger than all that is, and so is among them.
            if let Some(value) = chosen.values.iter().find(|value| !value.is_finite()) {
                let problem = format!("collaborator {} has a value of {value} to send", outgoing.who);
                return Err(Error::diverged(FIELD, problem, "use a smaller optimizer.lr"));
            }
            let sum: f64 = chosen.values.iter().map(|value| f64::from(value.abs())).sum();
            outgoing.side.floats(&[(sum / chosen.values.len().max(1) as f64) as f32]);
            let mut writer = PlaceWriter::new(chosen.places.len(), chosen.of);
            for (&place, value) in chosen.places.iter().zip(chosen.values) {
                writer.place(place);
                // Zeros among the largest have no sign, and count as positive.
                writer.bit(value < 0.0);
            }
            outgoing.side.bytes(&writer.into_bytes());
        }
        Ok(())
    }

    fn decode(&self, _: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        for incoming in batch {
            let count = self.0.to_receive(incoming.due)?;
            let magnitude = incoming.side.floats(1)?[0];
            if !(magnitude >= 0.0 && magnitude.is_finite()) {
                let problem = format!("an update has values of the magnitude {magnitude}");
                return Err(Error::message(problem, "use the same model and codec on both sides"));
            }
            let mut values = vec![0.0; incoming.due];
            let mut places = PlaceReader::new(count, incoming.due, &mut incoming.side);
            for _ in 0..count {
                let place = places.place()?;
                values[place] = if places.bit()? { -magnitude } else { magnitude };
            }
            places.finish()?;
            incoming.values = Values::Host(values);
        }
        Ok(())
    }
}
