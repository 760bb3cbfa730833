//! Values at places that are drawn anew for each update (Stich et al. 2018, arXiv 1809.07599; Konečný et al. 2016,
//! arXiv 1610.05492, "random mask"): the others are taken as zeros. Both sides draw the same places from counters of
//! the seed, the round and the collaborator, so that no places are sent.
//!
//! ```text
//! v' = v at k of n places, 0 elsewhere; n/k v at these places where unbiased, so that the mean of v' over draws is v
//! ```

use super::share::Share;
use crate::codec::{
    About, FreeOption, Incoming, Kept, Linear, Make, OptionAbout, Outgoing, Round, Stage, StageKind, Values,
};
use crate::ops::random::pcg4d;
use crate::{Error, Result};
use serde::Deserialize;

pub(super) const KIND: StageKind = StageKind::new(
    "randk",
    Make::Plain(|context, options| {
        let Given { part, count, unbiased, shared } = options.parse()?;
        let share = Share::new(options, part, count, context.parameters())?;
        Ok(Box::new(RandK { share, unbiased, shared }))
    }),
)
.about(About {
    summary: "values at places that both sides draw from the seed, the round and the collaborator",
    source: "Konecny et al. 2016, random masks (arXiv 1610.05492)",
    options: &[
        OptionAbout::PART,
        OptionAbout::COUNT,
        OptionAbout::new(
            "unbiased",
            "false",
            "times n / k, so that the mean over draws is right; not behind feedback",
        ),
        OptionAbout::new("shared", "false", "all collaborators send the values at the same places"),
    ],
    good_for: "a plain rival of topk that sends no places; behind delta",
    example: "delta+randk(part=0.1)",
})
.free(FreeOption::COUNT)
.linear(Linear::Shared);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    part: Option<f64>,
    count: Option<usize>,
    #[serde(default)]
    unbiased: bool,
    #[serde(default)]
    shared: bool,
}

/// Leaves the values at the places that are drawn, in the order of these.
struct RandK {
    share: Share,
    unbiased: bool,
    /// Whether places are the same for all, so that messages can be added up.
    shared: bool,
}

/// What tells these draws from others of the same seed.
const SALT: u32 = 0x7261_6e64;

/// `count` different places of `of`, in order, each as likely as any other: the first `count` steps of Fisher and
/// Yates's shuffle.
fn draw(round: &Round<'_>, who: u32, count: usize, of: usize) -> Vec<usize> {
    let seed = (round.seed ^ (round.seed >> 32)) as u32 ^ SALT;
    let mut places: Vec<u32> = (0..of as u32).collect();
    for first in 0..count {
        let [low, high, ..] = pcg4d([first as u32, round.number, who, seed]);
        let bits = u64::from(high) << 32 | u64::from(low);
        // 64 bits times the number of places that are left: no place is likelier by more than 2^-32.
        let chosen = (u128::from(bits) * (of - first) as u128) >> 64;
        places.swap(first, first + chosen as usize);
    }
    places.truncate(count);
    places.sort_unstable();
    places.into_iter().map(|place| place as usize).collect()
}

impl RandK {
    /// Whose places a collaborator's values are at.
    fn whose(&self, who: u32) -> u32 {
        // No collaborator has the places that are for all.
        if self.shared { u32::MAX } else { who }
    }
}

impl Stage for RandK {
    fn label(&self) -> String {
        let unbiased = if self.unbiased { ",unbiased" } else { "" };
        let shared = if self.shared { ",shared" } else { "" };
        format!("randk({}{unbiased}{shared})", self.share)
    }

    fn leaves(&self, count: usize, _: &Kept) -> Option<usize> {
        Some(self.share.of(count))
    }

    fn check_fed_back(&self) -> Result<()> {
        if !self.unbiased {
            return Ok(());
        }
        let problem = "unbiased values are larger than they were, so that what feedback adds up grows";
        Err(Error::setting("codecs: randk", problem, "leave unbiased out, or feedback"))
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        let values = batch.iter_mut().map(|outgoing| &mut outgoing.values).collect();
        let all = Values::take_all(round.gpu, values)?;
        for (outgoing, values) in batch.iter_mut().zip(all) {
            let count = self.share.to_send("codecs: randk", values.len())?;
            let places = draw(round, self.whose(outgoing.who), count, values.len());
            outgoing.values = Values::Host(places.into_iter().map(|place| values[place]).collect());
        }
        Ok(())
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        for incoming in batch {
            let count = self.share.to_receive(incoming.due)?;
            let factor = if self.unbiased { incoming.due as f32 / count.max(1) as f32 } else { 1.0 };
            let places = draw(round, self.whose(incoming.who), count, incoming.due);
            let mut values = vec![0.0; incoming.due];
            for (place, value) in places.into_iter().zip(incoming.values.take(round.gpu)?) {
                values[place] = factor * value;
            }
            incoming.values = Values::Host(values);
        }
        Ok(())
    }
}
