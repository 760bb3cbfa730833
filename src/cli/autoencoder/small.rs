//! `fedfunnel autoencoder train --space small`, and which optimiser is for which space.

use super::TrainArgs;
use crate::cli::{Common, say, say_json, whisper};
use fedfunnel::codec::autoencoder::small::{
    DecoderCost, Precision, SmallPoint, SmallTrainer, Space, decoder_costs, rates_refusal,
};
use fedfunnel::codec::autoencoder::{Reconstruction, TrainerSettings, save_autoencoder};
use fedfunnel::gpu::Gpu;
use fedfunnel::model::{AutoencoderSpec, Optimizer, OptimizerKind};
use fedfunnel::progress::Observer;
use fedfunnel::report::{JsonLines, Table, format, text_table};
use fedfunnel::{Error, files};
use serde::Serialize;
use std::time::Instant;

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
    let optimizer = Optimizer { kind, lr: args.lr.unwrap_or(lr), moments, ..Optimizer::default() };
    optimizer.check("--")?;
    let rates_in_small = args.layer_rates.as_ref().filter(|_| args.space == Space::Small);
    match rates_in_small.and_then(|_| rates_refusal(&optimizer)) {
        Some(problem) => {
            let mend = "leave it out and give --lr, or use --optimizer sgd or --space wide";
            Err(Error::setting("--layer-rates", problem, mend))
        }
        None => Ok(optimizer),
    }
}

/// A form of the decoder: what it costs, and what comes back through it.
#[derive(Serialize)]
struct Shipped {
    #[serde(flatten)]
    cost: DecoderCost,
    relative_l2: f64,
    validation_relative_l2: Option<f64>,
}

/// Trains, expands, saves, and says what shipping the decoder costs.
pub fn train(
    common: &Common,
    args: &TrainArgs,
    gpu: &Gpu,
    spec: &AutoencoderSpec,
    (model, train, held_out): (&str, &[&[f32]], &[&[f32]]),
    settings: TrainerSettings,
) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut trainer = SmallTrainer::new(gpu, spec, train, held_out, settings, args.epochs)?;
    let mut seconds = start.elapsed().as_secs_f64();
    let mut metrics = JsonLines::create(args.out.join("metrics.jsonl"))?;
    let mut bars = common.bars_of(gpu);
    bars.begin(&spec.name, "epochs", args.epochs as u64);
    let mut done = 0;
    while done < args.epochs {
        let now = args.eval_every.min(args.epochs - done);
        let start = Instant::now();
        trainer.train(now, &mut |finished| bars.advance(u64::from(finished)));
        done += now;
        if done == args.epochs {
            trainer.expand()?;
            gpu.wait()?;
        }
        seconds += start.elapsed().as_secs_f64();
        let mut point = trainer.look(now, seconds);
        bars.note(&format!("loss {:.4}  relative L2 {:.3}", point.loss, point.relative_l2));
        if done == args.epochs && point.loss.is_finite() {
            at_full_width(&mut point, trainer.measure()?);
        }
        metrics.push(&point)?;
        if args.json {
            // Lines that nobody reads any more do not stop the training; the file has them too.
            let _ = say_json(&point);
        }
        if !point.loss.is_finite() {
            let problem = format!("training diverged by epoch {} (the loss is {})", point.epoch, point.loss);
            return Err(Error::setting("--lr", problem, "use a smaller rate").into());
        }
    }
    bars.end();
    metrics.finish()?;
    let path = save_autoencoder(
        gpu,
        &args.out,
        (spec, model),
        (&trainer.network().parameters, 0),
        &trainer.read_standard()?,
        args.max_file_bytes,
    )?;
    let factored = trainer.factored(Precision::F32)?;
    files::write_atomic(&args.out.join("decoder.factored"), &factored.to_bytes())?;
    let costs = decoder_costs(spec, Some(&factored));
    let shipped = ship(&trainer, costs)?;
    if args.json {
        say_json(&serde_json::json!({ "optimizer": trainer.optimizer_name(), "decoders": shipped }))?;
    } else {
        say(&format!(
            "{} ({} parameters, {} floats to {}), trained by {} in the span of the snapshots in {seconds:.2} s",
            path.display(),
            format::count(spec.parameters() as u64),
            format::count(spec.inputs() as u64),
            spec.latent(),
            trainer.optimizer_name()
        ))?;
        say(&text_table(&table(&shipped)))?;
    }
    if shipped.first().is_some_and(|dense| dense.relative_l2 > 0.9) {
        whisper(
            "warning: the autoencoder has learned little but the mean; train longer or with another rate",
        );
    }
    args.device.close(gpu, args.json)
}

/// Puts what full width measures in the place of what coordinates say.
fn at_full_width(point: &mut SmallPoint, (train, held_out): (Reconstruction, Option<Reconstruction>)) {
    point.relative_l2 = train.relative_l2;
    point.argmax_match = Some(train.argmax_match);
    point.validation_loss = held_out.map(|m| m.loss);
    point.validation_relative_l2 = held_out.map(|m| m.relative_l2);
    point.validation_argmax_match = held_out.map(|m| m.argmax_match);
}

/// Measures each form of the decoder at full width.
fn ship(trainer: &SmallTrainer<'_>, costs: Vec<DecoderCost>) -> fedfunnel::Result<Vec<Shipped>> {
    costs
        .into_iter()
        .map(|cost| {
            let (train, held_out) = match cost.precision {
                None => trainer.measure()?,
                Some(precision) => trainer.measure_factored(&trainer.factored(precision)?)?,
            };
            Ok(Shipped {
                cost,
                relative_l2: train.relative_l2,
                validation_relative_l2: held_out.map(|m| m.relative_l2),
            })
        })
        .collect()
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
