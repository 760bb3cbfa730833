//! The global model is what the updates were combined to.

use crate::codec::{Kept, NoOptions};
use crate::federation::strategy::{PartAbout, Server, ServerKind, StrategyRound};

/// As specs name it.
pub const REPLACE: ServerKind = ServerKind {
    name: "replace",
    about: PartAbout {
        summary: "the global model becomes what the updates were combined to",
        source: "McMahan et al. 2017, FedAvg (arXiv 1602.05629)",
        good_for: "the baseline",
        ..PartAbout::NOTHING
    },
    make: |options| options.parse::<NoOptions>().map(|_| Box::<Replace>::default() as _),
};

/// What the updates were combined to (FedAvg, McMahan et al. 2017).
#[derive(Debug, Default)]
pub struct Replace(Kept);

impl Server for Replace {
    fn step(&mut self, _: &StrategyRound<'_>, global: &mut [f32], combined: &[f32]) {
        global.copy_from_slice(combined);
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.0
    }
}
