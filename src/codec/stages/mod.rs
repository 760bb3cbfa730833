//! The stages that come with the program, one file and one line in `STAGES` for each.

mod around;
pub mod autoencoder;
mod bank;
mod bf16;
mod blocks;
mod byte;
mod control;
mod delta;
mod dropout;
mod entropy;
mod f16;
mod f8;
mod feedback;
mod held;
mod kmeans;
mod largest;
mod lbgm;
mod lowrank;
mod mask;
mod pca;
mod places;
mod quantize;
mod randk;
mod ranking;
mod raw;
mod relevance;
mod rotate;
mod seeded;
mod share;
mod sign;
mod sketch;
mod subspace;
mod synthetic;
mod ternary;
mod threshold;
mod topk;
mod written;

use super::registry::{StageKind, Stages};

/// All of them.
const STAGES: &[StageKind] = &[
    raw::KIND,
    autoencoder::KIND,
    pca::KIND,
    around::PRIOR,
    around::RESIDUAL,
    around::FILTERS,
    around::TUNE,
    around::REFRESH,
    delta::KIND,
    f16::KIND,
    bf16::KIND,
    f8::KIND,
    byte::KIND,
    quantize::KIND,
    sign::KIND,
    mask::KIND,
    ranking::KIND,
    kmeans::KIND,
    topk::KIND,
    randk::KIND,
    threshold::KIND,
    ternary::KIND,
    lowrank::KIND,
    rotate::KIND,
    rotate::DRIVE,
    subspace::KIND,
    sketch::KIND,
    sketch::FETCH_SGD,
    feedback::KIND,
    dropout::KIND,
    lbgm::KIND,
    relevance::KIND,
    control::CONTROL,
    control::SCALLION,
    control::SCAFCOM,
    synthetic::KIND,
    entropy::KIND,
];

impl Default for Stages {
    fn default() -> Self {
        Self(STAGES.to_vec())
    }
}
