//! One training of an autoencoder, on the weights themselves or in the small space.

use super::args::TrainArgs;
use crate::cli::stdout::say_json;
use fedfunnel::Error;
use fedfunnel::autoencoder::{Standard, TrainerSettings, save_autoencoder};
use fedfunnel::gpu::Gpu;
use fedfunnel::model::{AutoencoderSpec, Network, WeightsOf};
use serde::Serialize;
use std::path::PathBuf;

/// The stage's name in the run's state.
pub(super) const STAGE: &str = "training";

/// What is trained, on which snapshots, on which device.
pub(super) struct Job<'a> {
    pub args: &'a TrainArgs,
    pub gpu: &'a Gpu,
    pub spec: &'a AutoencoderSpec,
    pub model: &'a WeightsOf,
    pub train: &'a [Vec<&'a [f32]>; 1],
    pub held_out: &'a [Vec<&'a [f32]>; 1],
    pub settings: TrainerSettings,
}

impl Job<'_> {
    /// Writes the autoencoder.
    pub fn save(&self, network: &Network, standard: &Standard) -> fedfunnel::Result<PathBuf> {
        let (what, parameters) = ((self.spec, self.model), (&network.parameters, 0));
        save_autoencoder(self.gpu, &self.args.out, what, parameters, standard, self.args.max_file_bytes)
    }

    /// Prints a line of the metrics where that is wanted.
    pub fn say_point(&self, point: &impl Serialize) {
        if self.args.json {
            // A reader that is gone does not stop the training; the file has the lines too.
            let _ = say_json(point);
        }
    }
}

/// An error where a loss is no number any more.
pub(super) fn check_finite(epoch: u64, loss: f64) -> fedfunnel::Result<()> {
    if loss.is_finite() {
        return Ok(());
    }
    let problem = format!("training diverged by epoch {epoch} (the loss is {loss})");
    Err(Error::setting("--lr", problem, "use a smaller rate"))
}
