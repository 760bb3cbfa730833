//! The stages that come with the program, one file and one line in `STAGES` for each.

mod around;
pub mod autoencoder;
mod bank;
mod control;
mod delta;
mod dropout;
mod f16;
mod feedback;
mod held;
mod lbgm;
mod pca;
mod raw;
mod relevance;
mod synthetic;
mod ternary;
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
    delta::KIND,
    f16::KIND,
    topk::KIND,
    ternary::KIND,
    feedback::KIND,
    dropout::KIND,
    lbgm::KIND,
    relevance::KIND,
    control::CONTROL,
    control::SCALLION,
    control::SCAFCOM,
    synthetic::KIND,
];

impl Default for Stages {
    fn default() -> Self {
        Self(STAGES.to_vec())
    }
}
