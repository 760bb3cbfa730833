//! `fedfunnel export`

use super::stdout::say;
use clap::Args;
use fedfunnel::federation::FinalModels;
use fedfunnel::files;
use std::path::PathBuf;

pub const EXAMPLES: &str = "Examples:
  fedfunnel export sim --run raw --out model.safetensors
  fedfunnel export sim --run fedpm --out model.mask     a seed and a mask: under a bit a parameter
  fedfunnel train conv4 --data mnist --init model.mask --epochs 1 --out more";

/// Arguments of `export`.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// The folder of a finished simulation
    #[arg(value_name = "RUN")]
    folder: PathBuf,
    /// The federation, by its label in the report [default: the one beside raw]
    #[arg(long = "run", value_name = "LABEL")]
    label: Option<String>,
    /// File for the model: .safetensors, or .mask for one that is a seed and a mask
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Writes the model that a federation came to.
pub fn run(args: &ExportArgs) -> anyhow::Result<()> {
    files::check_output_file("--out", &args.out)?;
    let models = FinalModels::read(&args.folder)?;
    models.export(&args.folder, models.find(args.label.as_deref())?, &args.out)?;
    say(&args.out.display().to_string())
}
