//! The mean of each weight without its extremes.

use super::coordinates::{of_each, value};
use super::vectors::on_host;
use crate::Result;
use crate::codec::{Kept, OptionAbout, Options};
use crate::federation::strategy::{Arrived, Combine, CombineKind, PartAbout, StrategyRound};
use serde::Deserialize;

/// As specs name it.
pub const TRIMMED_MEAN: CombineKind = CombineKind {
    name: "trimmed-mean",
    about: PartAbout {
        summary: "the mean of each weight without its largest and smallest values; numbers of images do not count",
        source: "Yin et al. 2018, coordinate-wise trimmed mean (arXiv 1803.01498)",
        options: &[OptionAbout::new(
            "part",
            "0.2",
            "part of the updates that is left out at each end, rounded down to whole ones",
        )],
        good_for: "up to that part of the collaborators sending anything at all",
        ..PartAbout::NOTHING
    },
    make,
};

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TrimmedMean {
    part: f64,
    #[serde(skip)]
    kept: Kept,
}

impl Default for TrimmedMean {
    fn default() -> Self {
        Self { part: 0.2, kept: Kept::default() }
    }
}

fn make(options: &Options) -> Result<Box<dyn Combine>> {
    let rule: TrimmedMean = options.parse()?;
    if !(0.0..0.5).contains(&rule.part) {
        return Err(options.refuse(format!("a part of {}", rule.part), "use 0 to below 0.5, such as 0.2"));
    }
    Ok(Box::new(rule))
}

impl Combine for TrimmedMean {
    fn combine(&mut self, round: &StrategyRound<'_>, arrived: &[Arrived]) -> Result<Vec<f32>> {
        let cut = (self.part * arrived.len() as f64) as usize;
        let mean = |column: &mut [i32]| {
            column.sort_unstable();
            let middle = &column[cut..column.len() - cut];
            middle.iter().map(|key| value(*key)).sum::<f64>() / middle.len() as f64
        };
        Ok(of_each(&on_host(round.gpu, arrived)?, mean))
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.kept
    }
}
