//! The update that is closest to the others.

use super::vectors::{Update, on_host, pairwise};
use crate::codec::{Kept, OptionAbout, Options};
use crate::federation::strategy::{Arrived, Combine, CombineKind, PartAbout, StrategyRound};
use crate::{Error, Result};
use serde::Deserialize;

/// What both rules are told.
pub(super) const BYZANTINE: OptionAbout = OptionAbout::new(
    "byzantine",
    "0",
    "how many collaborators may send anything at all: f; 2 f + 3 have to be asked",
);

/// As specs name it.
pub const KRUM: CombineKind = CombineKind {
    name: "krum",
    about: PartAbout {
        summary: "the one update with the least sum of squared distances to its n - f - 2 closest",
        source: "Blanchard et al. 2017, Krum (arXiv 1703.02757)",
        options: &[BYZANTINE],
        good_for: "f collaborators sending anything at all, where the others' shares are alike",
        ..PartAbout::NOTHING
    },
    make: |options: &Options| options.parse::<Krum>().map(|rule| Box::new(rule) as _),
};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Krum {
    byzantine: usize,
    #[serde(skip)]
    kept: Kept,
}

impl Combine for Krum {
    fn combine(&mut self, round: &StrategyRound<'_>, arrived: &[Arrived]) -> Result<Vec<f32>> {
        check_asked(round, self.byzantine)?;
        let updates = on_host(round.gpu, arrived)?;
        let best = ranked(round.global, arrived, &updates, self.byzantine).first().copied();
        Ok(best.map_or_else(Vec::new, |best| updates[best].to_vec()))
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.kept
    }
}

/// Refuses a round of too few for the proof of the paper. Where some that were asked do not answer, it goes on with
/// those that do.
pub(super) fn check_asked(round: &StrategyRound<'_>, byzantine: usize) -> Result<()> {
    let least = 2 * byzantine.min(usize::MAX / 4) + 3;
    if byzantine == 0 || round.asked >= least {
        return Ok(());
    }
    let problem = format!(
        "a bound of {byzantine} byzantine collaborators takes {least} a round, and there are {}",
        round.asked
    );
    Err(Error::setting("strategy.combine.byzantine", problem, "lower it, or ask more collaborators"))
}

/// The places of the updates, that with the best score first, and that of the lower id where scores are equal. Where
/// fewer than `byzantine + 3` have arrived, the score is the distance to the closest.
pub(super) fn ranked(
    global: &[f32],
    arrived: &[Arrived],
    updates: &[Update<'_>],
    byzantine: usize,
) -> Vec<usize> {
    let distances = pairwise(global, updates, |a, b| (a - b) * (a - b));
    let closest = updates.len().saturating_sub(byzantine.saturating_add(2)).max(1);
    let score = |place: usize| -> f64 {
        let row = distances[place].iter().enumerate().filter(|(other, _)| *other != place);
        // What is not a number is far from everything.
        let mut row: Vec<_> = row.map(|(_, far)| if far.is_nan() { f64::INFINITY } else { *far }).collect();
        row.sort_unstable_by(f64::total_cmp);
        row.iter().take(closest).sum()
    };
    let scores: Vec<_> = (0..updates.len()).map(score).collect();
    let mut places: Vec<_> = (0..updates.len()).collect();
    places.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]).then(arrived[*a].who.cmp(&arrived[*b].who)));
    places
}
