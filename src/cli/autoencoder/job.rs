//! One training of an autoencoder, on the weights themselves or in the small space.

use super::args::TrainArgs;
use fedfunnel::autoencoder::{Learner, TrainedAutoencoder, Training};
use fedfunnel::gpu::Gpu;
use fedfunnel::model::WeightsOf;

/// A training that was asked for.
pub(super) struct Job<'a> {
    pub args: &'a TrainArgs,
    pub training: Training<'a>,
    pub gpu: &'a Gpu,
    pub model: &'a WeightsOf,
}

impl Job<'_> {
    /// Writes the autoencoder.
    pub fn save(&self, learner: &Learner) -> fedfunnel::Result<()> {
        let trained = TrainedAutoencoder {
            spec: self.training.spec,
            model: self.model,
            parameters: &learner.network().parameters,
            standard: &learner.standards()[0],
        };
        trained.save(self.gpu, &self.args.out, self.args.max_file_bytes).map(drop)
    }
}
