//! `fedfunnel autoencoder train`, `fedfunnel autoencoder evaluate` and `fedfunnel autoencoder pca`

mod args;
mod checks;
mod evaluate;
mod job;
mod pca;
mod small;
mod train;

use crate::cli::common::Common;
use clap::Subcommand;

pub const EXAMPLES: &str = "Examples:
  fedfunnel autoencoder train --snapshots run/snapshots.safetensors --model ae-mnist --out ae
  fedfunnel autoencoder evaluate --autoencoder ae/autoencoder.safetensors \\
      --snapshots run/snapshots.safetensors
  fedfunnel autoencoder pca --snapshots run/snapshots.safetensors";

/// What to do with an autoencoder.
#[derive(Subcommand, Debug)]
pub enum AutoencoderVerb {
    /// Train one on the snapshots of a classifier's weights
    #[command(after_help = train::EXAMPLES)]
    Train(args::TrainArgs),
    /// Send snapshots through one and see what the classifier makes of what comes back
    #[command(after_help = evaluate::EXAMPLES)]
    Evaluate(evaluate::EvaluateArgs),
    /// See how well plain principal components carry snapshots, at the same number of floats
    #[command(after_help = pca::EXAMPLES)]
    Pca(pca::PcaArgs),
}

/// Runs the verb.
pub fn run(common: &Common, verb: &AutoencoderVerb) -> anyhow::Result<()> {
    match verb {
        AutoencoderVerb::Train(args) => train::run(common, args),
        AutoencoderVerb::Evaluate(args) => evaluate::run(args),
        AutoencoderVerb::Pca(args) => pca::run(args),
    }
}
