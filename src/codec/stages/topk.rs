//! The largest values and their places (Aji and Heafield 2017): the others are taken as zeros.

use crate::codec::{
    About, FreeOption, FreeRange, Incoming, Kept, Make, OptionAbout, Outgoing, Round, Stage, StageKind,
    Values,
};
use crate::{Error, Result};
use serde::Deserialize;

pub(super) const KIND: StageKind = StageKind::new(
    "topk",
    Make::Plain(|_, options| {
        let Given { part } = options.parse()?;
        if part > 0.0 && part <= 1.0 {
            return Ok(Box::new(TopK { part }));
        }
        Err(options
            .refuse(format!("a part of {part} of the values"), "set part above 0 and up to 1, such as 0.01"))
    }),
)
.about(About {
    summary: "the values of the largest magnitude and their places; the others are taken as zeros",
    source: "Aji and Heafield 2017 (arXiv 1704.05021)",
    options: &[OptionAbout::new("part", "", "how many are sent, as a part of all values: 0.01 is one in a hundred")],
    good_for: "updates in which few values carry most; behind delta and feedback, which sends later what is left out",
    example: "delta+feedback+topk(part=0.01)",
})
.free(FreeOption { name: "part", range: FreeRange::PartOfValues, instead: &[] });

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    part: f64,
}

/// Leaves the values of the largest magnitude, in the order of their places; writes the places as LEB128 distances,
/// each from the place behind the one before.
struct TopK {
    part: f64,
}

impl TopK {
    fn count(&self, of: usize) -> usize {
        ((of as f64 * self.part).ceil() as usize).min(of)
    }
}

/// The places of the `count` values of the largest magnitude, in order.
pub(super) fn largest(values: &[f32], count: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..values.len()).collect();
    if count > 0 && count < values.len() {
        // Of equal magnitudes the first counts as larger, so that both sides and all runs agree.
        places.select_nth_unstable_by(count - 1, |&a, &b| {
            values[b].abs().total_cmp(&values[a].abs()).then(a.cmp(&b))
        });
    }
    places.truncate(count);
    places.sort_unstable();
    places
}

impl Stage for TopK {
    fn label(&self) -> String {
        format!("topk({})", self.part)
    }

    fn leaves(&self, count: usize, _: &Kept) -> Option<usize> {
        Some(self.count(count))
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        for outgoing in batch {
            let values = outgoing.values.take(round.gpu)?;
            let places = largest(&values, self.count(values.len()));
            let mut next = 0;
            for &place in &places {
                outgoing.side.number((place - next) as u32);
                next = place + 1;
            }
            outgoing.values = Values::Host(places.into_iter().map(|place| values[place]).collect());
        }
        Ok(())
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        for incoming in batch {
            let mut values = vec![0.0; incoming.due];
            let mut next = 0usize;
            for value in incoming.values.take(round.gpu)? {
                let place = next + incoming.side.number()? as usize;
                *values.get_mut(place).ok_or_else(|| {
                    let problem = format!("an update has a value at place {place} of {}", incoming.due);
                    Error::message(problem, "use the same model and codec on both sides")
                })? = value;
                next = place + 1;
            }
            incoming.values = Values::Host(values);
        }
        Ok(())
    }
}
