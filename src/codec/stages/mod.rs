//! The stages that come with the program, one file and one line in `STAGES` for each.

pub mod autoencoder;
mod bank;
mod delta;
mod f16;
mod feedback;
mod pca;
mod raw;
mod topk;

use super::registry::{StageKind, Stages};

/// All of them.
const STAGES: &[StageKind] =
    &[raw::KIND, autoencoder::KIND, pca::KIND, delta::KIND, f16::KIND, topk::KIND, feedback::KIND];

impl Default for Stages {
    fn default() -> Self {
        Self(STAGES.to_vec())
    }
}
