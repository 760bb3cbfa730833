//! The stages that come with the program, one file and one line in `STAGES` for each.

mod around;
pub mod autoencoder;
mod bank;
mod delta;
mod f16;
mod feedback;
mod largest;
mod pca;
mod places;
mod randk;
mod raw;
mod share;
mod ternary;
mod threshold;
mod topk;

use super::registry::{StageKind, Stages};

/// All of them.
const STAGES: &[StageKind] = &[
    raw::KIND,
    autoencoder::KIND,
    pca::KIND,
    around::PRIOR,
    around::RESIDUAL,
    around::TUNE,
    around::REFRESH,
    delta::KIND,
    f16::KIND,
    topk::KIND,
    randk::KIND,
    threshold::KIND,
    ternary::KIND,
    feedback::KIND,
];

impl Default for Stages {
    fn default() -> Self {
        Self(STAGES.to_vec())
    }
}
