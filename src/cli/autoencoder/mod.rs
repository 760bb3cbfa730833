//! `fedfunnel autoencoder train`, `fedfunnel autoencoder evaluate` and `fedfunnel autoencoder pca`

mod evaluate;
mod pca;
mod small;
mod train;

use crate::cli::common::Common;
use clap::Subcommand;
use fedfunnel::Error;
use fedfunnel::training::Snapshots;
use std::path::Path;

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
    Train(train::TrainArgs),
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

/// Refuses snapshots that there is nothing to learn from: their mean would be all of them, and every
/// error 0.
fn check_training(path: &Path, train: &[&[f32]], held_out: usize) -> fedfunnel::Result<()> {
    if train.len() < 2 && held_out > 0 {
        let problem = format!("holding {held_out} of the snapshots out leaves {} to train on", train.len());
        return Err(Error::setting("--hold-out", problem, "use a larger number, or 0"));
    }
    if train.iter().skip(1).any(|row| *row != train[0]) {
        return Ok(());
    }
    let problem = match train.len() {
        1 => "`snapshots` holds a single snapshot, and an autoencoder learns how they differ".to_string(),
        count => format!("all {count} of its `snapshots` are the same"),
    };
    Err(Error::file(path, problem, "log more of them with fedfunnel train --snapshots"))
}

fn check_width(path: &Path, snapshots: &Snapshots, width: usize, name: &str) -> fedfunnel::Result<()> {
    if snapshots.width() == width {
        return Ok(());
    }
    Err(Error::file(
        path,
        format!(
            "`snapshots` are of {} with {} values each, and {name} takes {width}",
            snapshots.model.name,
            snapshots.width()
        ),
        "use the snapshots and the autoencoder of the same model",
    ))
}
