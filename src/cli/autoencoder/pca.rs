//! `fedfunnel autoencoder pca`

use super::checks::check_training;
use crate::cli::stdout::{print_json, say};
use clap::Args;
use fedfunnel::autoencoder::pca::{Pca, PcaError, PcaState};
use fedfunnel::codec::message_bytes;
use fedfunnel::report::{Column, Table, format, text_table};
use fedfunnel::training::{HoldOut, Snapshots};
use serde::Serialize;
use std::path::PathBuf;

pub const EXAMPLES: &str = "Examples:
  fedfunnel autoencoder pca --snapshots run/snapshots.safetensors
  fedfunnel autoencoder pca --snapshots run/snapshots.safetensors --floats 1,2,4 --hold-out 3 --json";

/// Arguments of `autoencoder pca`.
#[derive(Args, Debug)]
pub struct PcaArgs {
    /// The snapshots to fit axes to, as `fedfunnel train --snapshots` writes them
    #[arg(long, value_name = "FILE")]
    snapshots: PathBuf,
    /// Sizes of codes [default: 1, 2, 5, and as many as the training snapshots differ in]
    #[arg(long, value_name = "K,...", value_delimiter = ',', allow_negative_numbers = true)]
    floats: Option<Vec<usize>>,
    /// Hold every Nth snapshot out for validation; 0 holds none out
    #[arg(long, default_value_t = 5, value_name = "N", allow_negative_numbers = true)]
    hold_out: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What the verb prints.
#[derive(Serialize)]
struct Measured {
    snapshots: usize,
    held_out: usize,
    parameters: usize,
    rank: usize,
    sizes: Vec<Size>,
}

#[derive(Serialize)]
struct Size {
    #[serde(flatten)]
    error: PcaError,
    /// Bytes of the message that ships the axes and the mean.
    decoder_bytes: u64,
    /// Rounds after which it has paid for itself.
    break_even_rounds: f64,
}

/// Runs the verb.
pub fn run(args: &PcaArgs) -> anyhow::Result<()> {
    let snapshots = Snapshots::load(&args.snapshots)?;
    let width = snapshots.width();
    let (train, held_out) = HoldOut(args.hold_out).split(snapshots.rows());
    check_training(&args.snapshots, &train, held_out.len())?;
    let pca = Pca::fit(&train, &held_out)?;
    let rank = pca.rank();
    let mut floats = args.floats.clone().unwrap_or_else(|| {
        let smaller = [1, 2, 5].into_iter().filter(|&floats| floats < rank);
        smaller.chain([rank]).collect()
    });
    if let Some(&wrong) = floats.iter().find(|&&floats| floats == 0 || floats > rank) {
        return Err(pca.refuse("--floats", wrong).into());
    }
    // The mean is what no floats at all give.
    floats.insert(0, 0);
    let size = |floats| {
        let decoder_bytes = message_bytes(PcaState::payload_bytes(floats, width));
        let saved = 4 * (width - floats);
        Size {
            error: pca.error(floats),
            decoder_bytes,
            break_even_rounds: decoder_bytes as f64 / saved as f64,
        }
    };
    let sizes: Vec<_> = floats.into_iter().map(size).collect();
    let measured =
        Measured { snapshots: train.len(), held_out: held_out.len(), parameters: width, rank, sizes };
    if args.json {
        return print_json(&measured);
    }
    let title = format!(
        "Centred relative L2 error of {} training and {} held-out snapshots of {} weights",
        measured.snapshots,
        measured.held_out,
        format::count(width as u64)
    );
    let codec = |floats| match floats {
        0 => "mean".into(),
        1 => "PCA, 1 float".into(),
        floats => format!("PCA, {floats} floats"),
    };
    let columns: [Column<'_, Size>; 5] = [
        ("codec", &|size| codec(size.error.floats)),
        ("training", &|size| format!("{:.3}", size.error.relative_l2)),
        ("held out", &|size| {
            size.error.validation_relative_l2.map_or("-".into(), |error| format!("{error:.3}"))
        }),
        ("decoder bytes", &|size| format::count(size.decoder_bytes)),
        ("break-even rounds", &|size| format!("{:.1}", size.break_even_rounds)),
    ];
    let table = Table::of("pca", &title, &measured.sizes, &columns);
    say(&text_table(&table))
}
