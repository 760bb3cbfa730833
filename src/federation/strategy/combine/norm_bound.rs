//! The mean of updates that are no longer than a bound.

use super::vectors::{distance_squared, moved, on_host, shares};
use crate::Result;
use crate::codec::{Kept, OptionAbout, Options};
use crate::federation::strategy::{Arrived, Combine, CombineKind, PartAbout, StrategyRound};
use serde::Deserialize;

/// As specs name it.
pub const NORM_BOUND: CombineKind = CombineKind {
    name: "norm-bound",
    about: PartAbout {
        summary: "the mean, where what an update changes is scaled down to a bound on its L2 norm",
        source: "Sun et al. 2019, norm thresholding (arXiv 1911.07963)",
        options: &[OptionAbout::new(
            "bound",
            "3",
            "the largest norm; it goes with the model and the local steps",
        )],
        good_for: "updates that are boosted to outweigh the others",
        ..PartAbout::NOTHING
    },
    make,
};

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct NormBound {
    bound: f64,
    #[serde(skip)]
    kept: Kept,
}

impl Default for NormBound {
    fn default() -> Self {
        Self { bound: 3.0, kept: Kept::default() }
    }
}

fn make(options: &Options) -> Result<Box<dyn Combine>> {
    let rule: NormBound = options.parse()?;
    if !(rule.bound > 0.0 && rule.bound.is_finite()) {
        return Err(options.refuse(format!("a bound of {}", rule.bound), "use one above 0, such as 3"));
    }
    Ok(Box::new(rule))
}

/// `change / max(1, norm / bound)`, and the mean of that, weighted by numbers of images.
impl Combine for NormBound {
    fn combine(&mut self, round: &StrategyRound<'_>, arrived: &[Arrived]) -> Result<Vec<f32>> {
        let updates = on_host(round.gpu, arrived)?;
        let scale =
            |update: &[f32]| 1.0 / (distance_squared(update, round.global).sqrt() / self.bound).max(1.0);
        let factors: Vec<_> =
            updates.iter().zip(shares(arrived)).map(|(update, share)| share * scale(update)).collect();
        Ok(moved(round.global, &updates, &factors))
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.kept
    }
}
