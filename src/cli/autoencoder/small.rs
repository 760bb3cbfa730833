//! `fedfunnel autoencoder train --space small`: the forms of the decoder.

use super::job::Job;
use crate::cli::stdout::{say, say_json};
use fedfunnel::autoencoder::small::{Precision, SmallTrainer};
use fedfunnel::codec::{DecoderCost, decoder_costs};
use fedfunnel::files;
use fedfunnel::report::{Column, Table, format, text_table};
use serde::Serialize;
use std::path::Path;

/// A form of the decoder: what it costs, and what comes back through it.
#[derive(Serialize)]
pub struct Shipped {
    #[serde(flatten)]
    cost: DecoderCost,
    relative_l2: f64,
    validation_relative_l2: Option<f64>,
}

/// Writes the decoder's factors, and measures each form of the decoder at full width.
pub fn write_forms(job: &Job<'_>, trainer: &SmallTrainer) -> fedfunnel::Result<Vec<Shipped>> {
    let factored = trainer.factored(Precision::F32)?;
    files::write_atomic(&job.args.out.join("decoder.factored"), &factored.to_bytes())?;
    let form = |cost: DecoderCost| {
        let (train, held_out) = match cost.precision {
            None => trainer.measure()?,
            Some(precision) => trainer.measure_factored(&trainer.factored(precision)?)?,
        };
        let validation_relative_l2 = held_out.map(|m| m.relative_l2);
        Ok(Shipped { cost, relative_l2: train.relative_l2, validation_relative_l2 })
    };
    decoder_costs(job.training.spec, Some(&factored)).into_iter().map(form).collect()
}

/// Says what shipping the decoder costs, after `seconds` of training. Gives the error of the snapshots.
pub fn say_costs(
    job: &Job<'_>,
    trainer: &SmallTrainer,
    shipped: &[Shipped],
    seconds: f64,
    path: &Path,
) -> anyhow::Result<f64> {
    if job.args.json {
        say_json(&serde_json::json!({ "optimizer": trainer.optimizer_name(), "decoders": shipped }))?;
    } else {
        let spec = job.training.spec;
        say(&format!(
            "{} ({} parameters, {} floats to {}), trained by {} in the span of the snapshots in {seconds:.2} s",
            path.display(),
            format::count(spec.parameters() as u64),
            format::count(spec.inputs() as u64),
            spec.latent(),
            trainer.optimizer_name()
        ))?;
        say(&text_table(&table(shipped)))?;
    }
    Ok(shipped.first().map_or(0.0, |dense| dense.relative_l2))
}

fn table(shipped: &[Shipped]) -> Table {
    let columns: [Column<'_, Shipped>; 5] = [
        ("decoder", &|row| row.cost.decoder.replace('_', " ")),
        ("bytes", &|row| format::count(row.cost.bytes)),
        ("break-even rounds", &|row| format!("{:.1}", row.cost.break_even_rounds)),
        ("training", &|row| format!("{:.4}", row.relative_l2)),
        ("held out", &|row| row.validation_relative_l2.map_or("-".into(), |error| format!("{error:.4}"))),
    ];
    let title = "What shipping the decoder costs, and the centred relative L2 error (1 is the mean alone)";
    Table::of("decoders", title, shipped, &columns)
}
