//! The point with the least sum of distances to the updates.

use super::vectors::{distance_squared, on_host, shares, weighted};
use crate::Result;
use crate::codec::{Kept, OptionAbout, Options};
use crate::federation::strategy::{Arrived, Combine, CombineKind, PartAbout, StrategyRound};
use serde::Deserialize;

/// As specs name it.
pub const GEOMETRIC_MEDIAN: CombineKind = CombineKind {
    name: "geometric-median",
    about: PartAbout {
        summary: "the point with the least sum of distances to the updates, weighted by numbers of images",
        source: "Pillutla et al. 2019, RFA (arXiv 1912.13445)",
        options: &[
            OptionAbout::new("iterations", "3", "steps of Weiszfeld's algorithm, from the mean on"),
            OptionAbout::new("smoothing", "1e-6", "the least distance that a weight is divided by"),
        ],
        good_for: "less than half of all images lying with collaborators that send anything at all",
        ..PartAbout::NOTHING
    },
    make,
};

/// The smoothed Weiszfeld algorithm: from the weighted mean on, each step is the mean with weights of
/// `share / max(smoothing, distance)`.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GeometricMedian {
    iterations: u32,
    smoothing: f64,
    #[serde(skip)]
    kept: Kept,
}

impl Default for GeometricMedian {
    fn default() -> Self {
        Self { iterations: 3, smoothing: 1e-6, kept: Kept::default() }
    }
}

fn make(options: &Options) -> Result<Box<dyn Combine>> {
    let rule: GeometricMedian = options.parse()?;
    if rule.iterations == 0 {
        return Err(options.refuse("iterations is 0", "use at least 1, such as 3"));
    }
    if !(rule.smoothing > 0.0 && rule.smoothing.is_finite()) {
        let problem = format!("a smoothing of {}", rule.smoothing);
        return Err(options.refuse(problem, "use one above 0, such as 1e-6"));
    }
    Ok(Box::new(rule))
}

impl Combine for GeometricMedian {
    fn combine(&mut self, round: &StrategyRound<'_>, arrived: &[Arrived]) -> Result<Vec<f32>> {
        let updates = on_host(round.gpu, arrived)?;
        let shares = shares(arrived);
        let mut point = weighted(&updates, &shares);
        for _ in 0..self.iterations {
            let weight = |(update, share): (_, &f64)| {
                share / distance_squared(&point, update).sqrt().max(self.smoothing)
            };
            let weights: Vec<f64> = updates.iter().map(|update| &**update).zip(&shares).map(weight).collect();
            let total: f64 = weights.iter().sum();
            point = weighted(&updates, &weights.iter().map(|weight| weight / total).collect::<Vec<_>>());
        }
        Ok(point)
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.kept
    }
}
