//! The largest values and their places (Aji and Heafield 2017, arXiv 1704.05021): the others are taken as zeros.
//!
//! With `warmup = W` the first W rounds send more (Lin et al. 2018, arXiv 1712.01887, section 3.3): `4^-t` of the values
//! in round `t`, that is 25 %, 6.25 %, 1.5625 %, 0.390625 %, where that is more than the part.

use super::largest::take_largest;
use super::places::{places_to_bytes, read_scattered};
use super::share::Share;
use crate::codec::{
    About, FreeOption, Incoming, Kept, Make, OptionAbout, Outgoing, Round, Stage, StageKind, Values,
};
use crate::{Error, Result};
use serde::Deserialize;

pub(super) const KIND: StageKind = StageKind::new(
    "topk",
    Make::Plain(|context, options| {
        let Given { part, count, warmup } = options.parse()?;
        let share = Share::new(options, part, count, context.parameters())?;
        Ok(Box::new(TopK { share, warmup }))
    }),
)
.about(About {
    summary: "the values of the largest magnitude and their places; the others are taken as zeros",
    source: "Aji and Heafield 2017 (arXiv 1704.05021)",
    options: &[
        OptionAbout::PART,
        OptionAbout::COUNT,
        OptionAbout::new("warmup", "0", "rounds in which more is sent: 25 %, 6.25 %, 1.5625 %, ..."),
    ],
    good_for: "updates in which few values carry most; behind delta and feedback, which sends later what is \
         left out",
    example: "delta+feedback+topk(part=0.01)",
})
.free(FreeOption::COUNT);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    part: Option<f64>,
    count: Option<usize>,
    #[serde(default)]
    warmup: u32,
}

/// Leaves the values of the largest magnitude, in the order of their places; writes the places in bits.
struct TopK {
    share: Share,
    /// Rounds in which more is sent.
    warmup: u32,
}

impl TopK {
    /// How many values of `of` are sent in a round, where `count` are after the warm-up.
    fn in_round(&self, round: u32, count: usize, of: usize) -> usize {
        if round == 0 || round > self.warmup {
            return count;
        }
        // Powers of two are exact on all machines.
        let part = 0.25f64.powi(round.min(64) as i32);
        ((of as f64 * part).ceil() as usize).max(count)
    }
}

impl Stage for TopK {
    fn label(&self) -> String {
        match self.warmup {
            0 => format!("topk({})", self.share),
            warmup => format!("topk({},warmup={warmup})", self.share),
        }
    }

    fn leaves(&self, count: usize, _: &Kept) -> Option<usize> {
        // The number of the round decides in a warm-up, and is not seen here.
        (self.warmup == 0).then(|| self.share.of(count))
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        let count = |of| Ok(self.in_round(round.number, self.share.to_send("codecs: topk", of)?, of));
        let chosen = take_largest(round.gpu, batch, count)?;
        for (outgoing, chosen) in batch.iter_mut().zip(chosen) {
            outgoing.side.bytes(&places_to_bytes(&chosen.places, chosen.of));
            outgoing.values = Values::Host(chosen.values);
        }
        Ok(())
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        for incoming in batch {
            let values = incoming.values.take(round.gpu)?;
            let due = self.in_round(round.number, self.share.to_receive(incoming.due)?, incoming.due);
            if values.len() != due {
                let problem = format!("an update has {} values where {due} are due", values.len());
                return Err(Error::message(problem, "use the same model and codec on both sides"));
            }
            incoming.values = Values::Host(read_scattered(values, incoming.due, &mut incoming.side)?);
        }
        Ok(())
    }
}
