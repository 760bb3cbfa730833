//! The median of each weight.

use super::coordinates::{of_each, value};
use super::vectors::on_host;
use crate::Result;
use crate::codec::{Kept, NoOptions};
use crate::federation::strategy::{Arrived, Combine, CombineKind, PartAbout, StrategyRound};

/// As specs name it.
pub const MEDIAN: CombineKind = CombineKind {
    name: "median",
    about: PartAbout {
        summary: "the median of each weight; numbers of images do not count",
        source: "Yin et al. 2018, coordinate-wise median (arXiv 1803.01498)",
        good_for: "fewer than half of the collaborators sending anything at all",
        ..PartAbout::NOTHING
    },
    make: |options| options.parse::<NoOptions>().map(|_| Box::<Median>::default() as _),
};

/// The middle value, or the mean of the two in the middle.
#[derive(Default)]
struct Median(Kept);

fn median(column: &mut [i32]) -> f64 {
    let (half, is_odd) = (column.len() / 2, column.len() % 2 == 1);
    let (below, middle, _) = column.select_nth_unstable(half);
    let upper = value(*middle);
    match below.iter().max() {
        Some(lower) if !is_odd => (value(*lower) + upper) / 2.0,
        _ => upper,
    }
}

impl Combine for Median {
    fn combine(&mut self, round: &StrategyRound<'_>, arrived: &[Arrived]) -> Result<Vec<f32>> {
        Ok(of_each(&on_host(round.gpu, arrived)?, median))
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.0
    }
}
