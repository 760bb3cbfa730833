//! Arguments of `fedfunnel autoencoder train`, and the optimiser that they ask for.

use crate::cli::memory::MemoryOptions;
use crate::cli::options::DeviceOptions;
use crate::cli::start::StartOptions;
use clap::Args;
use fedfunnel::Error;
use fedfunnel::autoencoder::MAX_FILE_BYTES;
use fedfunnel::autoencoder::small::Space;
use fedfunnel::model::{Moments, Optimizer, OptimizerKind, Rates, built_in_autoencoders};
use std::path::PathBuf;

/// Reads widths of hidden layers, as `--hidden` takes them.
fn widths(text: &str) -> Result<Vec<usize>, String> {
    if text == "none" {
        return Ok(Vec::new());
    }
    let width = |part: &str| {
        part.trim().parse().map_err(|_| format!("{part:?} is no width; use 512, 512,64 or none"))
    };
    text.split(',').map(width).collect()
}

/// Arguments of `autoencoder train`.
#[derive(Args, Debug)]
pub struct TrainArgs {
    /// Snapshots to learn from, as `fedfunnel train --snapshots` writes them
    #[arg(long, value_name = "FILE")]
    pub(super) snapshots: PathBuf,
    #[arg(long, help = format!("{}, or the path of a spec", built_in_autoencoders()))]
    pub(super) model: String,
    /// Times that every snapshot is seen
    #[arg(long, default_value_t = 400, allow_negative_numbers = true)]
    pub(super) epochs: usize,
    /// Folder for autoencoder.safetensors (or its several files and their index) and metrics.jsonl
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// Snapshots per step [default: all]
    #[arg(long, allow_negative_numbers = true)]
    pub(super) batch: Option<usize>,
    /// Where to train: wide, on the weights themselves, or small, on coordinates in the span of the
    /// snapshots. Small is for one hidden layer and a linear output. There sgd is the very same as on the
    /// weights, only faster; span-adam, Adam on the coordinates, is another optimiser than adam and far
    /// cheaper; adam and adamw leave the span, and are for wide
    #[arg(long, default_value = "wide", value_name = "wide|small")]
    pub(super) space: Space,
    /// Learning rate [default: 0.003; 0.03 with span-adam, falling to 0]; layers that narrow learn at this
    /// rate divided by their fan-in (and times 32), span-adam excepted
    #[arg(long, allow_negative_numbers = true)]
    pub(super) lr: Option<f32>,
    /// sgd, adam or adamw; with --space small, sgd or span-adam [default: adam; span-adam]
    #[arg(long, value_name = "OPTIMIZER")]
    pub(super) optimizer: Option<Rule>,
    /// How the optimiser's moments are kept: f32, or bf16 in half the memory, for dense layers whose rows are a
    /// multiple of four wide. They are rounded by chance, right in the mean [default: f32]
    #[arg(long, value_name = "f32|bf16")]
    pub(super) moments: Option<Moments>,
    /// Floats of the code, in place of the spec's
    #[arg(long, allow_negative_numbers = true)]
    pub(super) latent: Option<usize>,
    /// Widths between the input and the latent, such as 512 or 512,64, mirrored in the decoder, in place of
    /// the spec's; none for none
    #[arg(long, value_name = "W[,W...]", allow_hyphen_values = true, value_parser = widths)]
    pub(super) hidden: Option<std::vec::Vec<usize>>,
    /// Learning rates of layers, in place of --lr and what follows from it: one for each layer, as 1e-7,3e-3,
    /// or by name, as encoder=1e-7,decoder=3e-3 or decoder.0=3e-3
    #[arg(long, value_name = "RATE[,RATE...]", allow_hyphen_values = true)]
    pub(super) layer_rates: Option<Rates>,
    /// Hold every Nth snapshot out for validation; 0 holds none out
    #[arg(long, default_value_t = 5, value_name = "N", allow_negative_numbers = true)]
    pub(super) hold_out: usize,
    /// Look at losses and errors every N epochs
    #[arg(long, default_value_t = 10, value_name = "N", allow_negative_numbers = true)]
    pub(super) eval_every: usize,
    /// Save the autoencoder every N epochs too, so that a run that is cut short leaves the last one; 0
    /// saves at the end only
    #[arg(long, default_value_t = 0, value_name = "N", allow_negative_numbers = true)]
    pub(super) checkpoint_every: usize,
    /// Save an autoencoder with more bytes of parameters as several files and an index, the encoder's apart
    /// from the decoder's
    #[arg(long, default_value_t = MAX_FILE_BYTES, value_name = "BYTES", allow_negative_numbers = true)]
    pub(super) max_file_bytes: u64,
    /// Seed of initial weights and of the order of snapshots
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub(super) seed: u32,
    #[command(flatten)]
    pub(super) start: StartOptions,
    /// Print the metrics as JSON lines
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) memory: MemoryOptions,
    #[command(flatten)]
    pub(super) device: DeviceOptions,
}

/// An optimiser by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// One of those that train networks.
    Weights(OptimizerKind),
    /// Adam on coordinates.
    SpanAdam,
}

impl std::str::FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "span-adam" => Ok(Self::SpanAdam),
            other => other.parse().map(Self::Weights).map_err(|error| format!("{error}; and span-adam")),
        }
    }
}

/// The optimiser that the arguments ask for, or an error where it is not one of that space.
pub fn optimizer(args: &TrainArgs) -> fedfunnel::Result<Optimizer> {
    let default = match args.space {
        Space::Wide => Rule::Weights(OptimizerKind::Adam),
        Space::Small => Rule::SpanAdam,
    };
    let refuse = |problem: &str, mend: &str| Err(Error::setting("--optimizer", problem, mend));
    let (kind, lr) = match (args.space, args.optimizer.unwrap_or(default)) {
        (Space::Wide, Rule::SpanAdam) => {
            return refuse("span-adam trains coordinates, not weights", "add --space small, or use adam");
        }
        (Space::Small, Rule::Weights(OptimizerKind::Adam | OptimizerKind::AdamW)) => {
            return refuse(
                "adam and adamw leave the span of the snapshots",
                "use sgd, which does not, or span-adam, which is another optimiser; or --space wide",
            );
        }
        (_, Rule::Weights(kind)) => (kind, 3e-3),
        (_, Rule::SpanAdam) => (OptimizerKind::Adam, 0.03),
    };
    if args.space == Space::Small && args.moments.is_some() {
        let problem = "training in the small space keeps no moments of the weights";
        return Err(Error::setting("--moments", problem, "leave it out, or use --space wide"));
    }
    let moments = args.moments.unwrap_or_default();
    Ok(Optimizer { kind, lr: args.lr.unwrap_or(lr), moments, ..Optimizer::default() })
}
