//! `fedfunnel autoencoder train --space small`: which optimiser is for which space, and the forms of the decoder.

use super::train::{Job, TrainArgs};
use crate::cli::stdout::{say, say_json};
use fedfunnel::autoencoder::small::{Precision, SmallTrainer, Space};
use fedfunnel::codec::{DecoderCost, decoder_costs};
use fedfunnel::model::{Optimizer, OptimizerKind};
use fedfunnel::report::{Table, format, text_table};
use fedfunnel::{Error, files};
use serde::Serialize;
use std::path::Path;

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
    let columns = ["decoder", "bytes", "break-even rounds", "training", "held out"];
    let title = "What shipping the decoder costs, and the centred relative L2 error (1 is the mean alone)";
    let mut table = Table::new("decoders", title, &columns);
    for row in shipped {
        table.push([
            row.cost.decoder.replace('_', " "),
            format::count(row.cost.bytes),
            format!("{:.1}", row.cost.break_even_rounds),
            format!("{:.4}", row.relative_l2),
            row.validation_relative_l2.map_or("-".into(), |error| format!("{error:.4}")),
        ]);
    }
    table
}
