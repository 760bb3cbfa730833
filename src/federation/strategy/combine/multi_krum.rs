//! The mean of the updates that are closest to the others.

use super::krum::{BYZANTINE, check_asked, ranked};
use super::vectors::{on_host, weighted};
use crate::Result;
use crate::codec::{Kept, OptionAbout, Options};
use crate::federation::strategy::{Arrived, Combine, CombineKind, PartAbout, StrategyRound};
use serde::Deserialize;

/// As specs name it.
pub const MULTI_KRUM: CombineKind = CombineKind {
    name: "multi-krum",
    about: PartAbout {
        summary: "the mean of the updates with the best scores by Krum",
        source: "Blanchard et al. 2017, Multi-Krum (arXiv 1703.02757)",
        options: &[
            BYZANTINE,
            OptionAbout::new("keep", "n - f", "how many updates are kept"),
            OptionAbout::new(
                "weighted",
                "true",
                "whether numbers of images weigh, as in Flower; in the paper they do not",
            ),
        ],
        good_for: "what krum is for, with less noise",
        ..PartAbout::NOTHING
    },
    make,
};

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct MultiKrum {
    byzantine: usize,
    keep: Option<usize>,
    weighted: bool,
    #[serde(skip)]
    kept: Kept,
}

impl Default for MultiKrum {
    fn default() -> Self {
        Self { byzantine: 0, keep: None, weighted: true, kept: Kept::default() }
    }
}

fn make(options: &Options) -> Result<Box<dyn Combine>> {
    let rule: MultiKrum = options.parse()?;
    if rule.keep == Some(0) {
        return Err(options.refuse("keep is 0", "keep at least one update"));
    }
    Ok(Box::new(rule))
}

impl Combine for MultiKrum {
    fn combine(&mut self, round: &StrategyRound<'_>, arrived: &[Arrived]) -> Result<Vec<f32>> {
        check_asked(round, self.byzantine)?;
        let updates = on_host(round.gpu, arrived)?;
        let keep = self.keep.unwrap_or(arrived.len().saturating_sub(self.byzantine));
        let best = ranked(round.global, arrived, &updates, self.byzantine);
        let best = &best[..keep.clamp(1, best.len())];
        let weight = |place: &usize| if self.weighted { arrived[*place].samples as f64 } else { 1.0 };
        let total: f64 = best.iter().map(weight).sum();
        let mut weights = vec![0.0; updates.len()];
        for place in best {
            weights[*place] = if total > 0.0 { weight(place) / total } else { 1.0 / best.len() as f64 };
        }
        // What is left out may be no number, and zero times that is none either.
        let (updates, weights): (Vec<_>, Vec<_>) =
            updates.into_iter().zip(weights).filter(|(_, weight)| *weight > 0.0).unzip();
        Ok(weighted(&updates, &weights))
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.kept
    }
}
