//! The stages that come with the program, one file and one line in `STAGES` for each.

mod around;
pub mod autoencoder;
mod bank;
mod delta;
mod f16;
mod feedback;
mod lowrank;
mod pca;
mod raw;
mod rotate;
mod seeded;
mod sketch;
mod subspace;
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
    lowrank::KIND,
    rotate::KIND,
    rotate::DRIVE,
    subspace::KIND,
    sketch::KIND,
    sketch::FETCH_SGD,
    feedback::KIND,
];

impl Default for Stages {
    fn default() -> Self {
        Self(STAGES.to_vec())
    }
}
