//! The aggregator's part of FedDyn.

use crate::Result;
use crate::codec::{Kept, NoOptions, expect_length};
use crate::federation::strategy::{PartAbout, Server, ServerKind, StrategyRound};

/// As specs name it.
pub const DYN: ServerKind = ServerKind {
    name: "dyn",
    about: PartAbout {
        summary: "the mean of the updates less what collaborators were pulled back by",
        source: "Acar et al. 2021, FedDyn (arXiv 2111.04263)",
        good_for: "the local rule of the same name",
        ..PartAbout::NOTHING
    },
    make: |options| options.parse::<NoOptions>().map(|_| Box::<DynamicServer>::default() as _),
};

/// The name of what is taken off, the paper's `h / alpha`.
const LAG: &str = "lag";

/// The mean of the updates less what collaborators have been pulled back by (FedDyn, Acar et al. 2021, arXiv 2111.04263,
/// algorithm 1). The paper has `h -= alpha / m * sum(w_k - global)` and `global = mean(w_k) - h / alpha`, over those of
/// `m` collaborators that took part. With `lag = h / alpha` no alpha is left:
/// `lag -= part * (combined - global)` and `global = combined - lag`, where `part` of the collaborators took part.
#[derive(Debug, Default)]
pub struct DynamicServer(Kept);

impl Server for DynamicServer {
    fn step(&mut self, round: &StrategyRound<'_>, global: &mut [f32], combined: &[f32]) {
        let part = round.arrived as f32 / round.collaborators as f32;
        let mut lag = self.0.get(LAG).map_or_else(|| vec![0.0; global.len()], <[f32]>::to_vec);
        for ((global, combined), lag) in global.iter_mut().zip(combined).zip(&mut lag) {
            *lag -= part * (combined - *global);
            *global = combined - *lag;
        }
        self.0.put(LAG, lag);
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.0
    }

    fn check_kept(&mut self, parameters: usize) -> Result<()> {
        self.0.get(LAG).map_or(Ok(()), |lag| expect_length(LAG, lag.len(), parameters))
    }
}
