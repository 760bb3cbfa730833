//! Coordinates in a few random directions, which are new in each round and the same for all: both sides draw them from
//! counters, so that nothing is shipped (random bases: Li et al. 2018, arXiv 1804.08838; drawn again at each step:
//! Gressmann et al. 2020, arXiv 2011.04720).
//!
//! With `B` the directions, `[P, Z]`, whose columns are orthonormal:
//!
//! ```text
//! z  = B^T v                what is left for the next stage
//! v' = B z                  what arrives: the projection of v on their span
//! v' = B D z, D = |b_j|     where unbiased: its mean over rounds is v
//! ```
//!
//! Dense directions would take P Z numbers. Here each value belongs to one direction, with a random sign: values are dealt
//! to directions in runs of Z, each run to all of them, from a direction on that is drawn for the run. `b_j` many values
//! of direction j stand in it by `1 / sqrt(b_j)`, so that directions are orthonormal, each has as many values as any other
//! or one more, and both ways cost P additions. Lines of a tensor on a GPU are summed there, and large cohorts get their
//! values there: what arrives is to the bit the same by both paths, and what is sent may differ in its last digits.
//!
//! The projection is `Z / P` of an update on average and never longer than it, which is what `feedback` needs; what is
//! unbiased is `P / Z` times as long, and for means over many.

mod device;
mod directions;

use super::seeded::Draws;
use crate::codec::{
    About, FreeOption, FreeRange, Incoming, Kept, Linear, Make, OptionAbout, Outgoing, Round, Stage,
    StageKind, Values,
};
use crate::{Error, Result};
use directions::Directions;
use serde::Deserialize;

pub(super) const KIND: StageKind = StageKind::new(
    "subspace",
    Make::Plain(|context, options| {
        let Given { floats, unbiased } = options.parse()?;
        let most = context.parameters();
        if (1..=most).contains(&floats) {
            return Ok(Box::new(Subspace { floats, unbiased }));
        }
        let problem = format!("{floats} directions for {most} weights");
        Err(options.refuse(problem, format!("set floats to 1 or more and up to {most}")))
    }),
)
.about(About {
    summary: "coordinates in random directions, which both sides draw anew in each round",
    source: "Konecny et al. 2016, structured updates (arXiv 1610.05492)",
    options: &[
        OptionAbout::new("floats", "", "how many directions"),
        OptionAbout::new("unbiased", "false", "times P / Z, so that the mean over rounds is right"),
    ],
    good_for: "a plain rival of learned codes for which nothing is shipped; behind delta",
    example: "delta+subspace(floats=20)",
})
.free(FreeOption { name: "floats", range: FreeRange::Values, instead: &[] })
.linear(Linear::Yes);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    floats: usize,
    #[serde(default)]
    unbiased: bool,
}

/// Leaves the coordinates in so many directions.
struct Subspace {
    floats: usize,
    unbiased: bool,
}

/// What directions are drawn for.
const PURPOSE: u32 = 0x7375_6273;

/// The directions of a round for so many values, drawn once for the updates of a batch.
struct OfRound {
    draws: Draws,
    floats: usize,
    known: Option<Directions>,
}

impl OfRound {
    fn of(&mut self, values: usize) -> &Directions {
        let known = self.known.take().filter(|known| known.values() == values);
        self.known.insert(known.unwrap_or_else(|| Directions::new(self.draws, values, self.floats)))
    }
}

impl Subspace {
    fn of_round(&self, round: &Round<'_>) -> OfRound {
        OfRound { draws: Draws::of_round(round, PURPOSE), floats: self.floats, known: None }
    }
}

impl Stage for Subspace {
    fn label(&self) -> String {
        format!("subspace({}{})", self.floats, if self.unbiased { ",unbiased" } else { "" })
    }

    fn leaves(&self, count: usize, _: &Kept) -> Option<usize> {
        Some(self.floats.min(count))
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        if device::project(round.gpu, Draws::of_round(round, PURPOSE), self.floats, batch)? {
            return Ok(());
        }
        let mut directions = self.of_round(round);
        for outgoing in batch {
            let values = outgoing.values.take(round.gpu)?;
            outgoing.values = Values::Host(directions.of(values.len()).coordinates(&values));
        }
        Ok(())
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        let mut directions = self.of_round(round);
        let mut all = Vec::with_capacity(batch.len());
        for incoming in batch.iter_mut() {
            let coordinates = incoming.values.take(round.gpu)?;
            let (found, due) = (coordinates.len(), self.floats.min(incoming.due));
            if found != due {
                let problem = format!("an update has {found} coordinates of {due}");
                return Err(Error::message(problem, "use the same model and codec on both sides"));
            }
            all.push(coordinates);
        }
        let Some(first) = batch.first().map(|incoming| incoming.due) else { return Ok(()) };
        if device::unproject(round.gpu, directions.of(first), &all, self.unbiased, batch)? {
            return Ok(());
        }
        for (incoming, coordinates) in batch.iter_mut().zip(all) {
            incoming.values = Values::Host(directions.of(incoming.due).spread(&coordinates, self.unbiased));
        }
        Ok(())
    }
}
