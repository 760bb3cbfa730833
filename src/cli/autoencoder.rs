//! `fedfunnel autoencoder train`, `fedfunnel autoencoder evaluate` and `fedfunnel autoencoder pca`

mod pca;
mod small;

use super::Common;
use super::memory::MemoryOptions;
use super::options::{DataDirOption, DeviceOptions};
use clap::{Args, Subcommand};
use fedfunnel::codec::autoencoder::small::Space;
use fedfunnel::codec::autoencoder::{
    AutoencoderFile, Costs, CurvePoint, MAX_FILE_BYTES, Pace, Trainer, TrainerSettings, Training, evaluate,
    save_autoencoder, train_with_curve,
};
use fedfunnel::model::{
    AutoencoderSpec, ClassifierSpec, ModelSpec, Moments, Rates, built_in_autoencoders, built_in_names,
};
use fedfunnel::report::{JsonLines, Table, format, text_table};
use fedfunnel::training::{Evaluator, HoldOut, Snapshots};
use fedfunnel::{Error, data, files};
use std::path::{Path, PathBuf};

pub const EXAMPLES: &str = "Examples:
  fedfunnel autoencoder train --snapshots run/snapshots.safetensors --model ae-mnist --out ae
  fedfunnel autoencoder evaluate --autoencoder ae/autoencoder.safetensors \\
      --snapshots run/snapshots.safetensors
  fedfunnel autoencoder pca --snapshots run/snapshots.safetensors";

const TRAIN_EXAMPLES: &str = "Examples:
  fedfunnel train mnist-mlp --snapshots 20 --out run
  fedfunnel autoencoder train --snapshots run/snapshots.safetensors --model ae-mnist --out ae
  fedfunnel autoencoder train --snapshots run/snapshots.safetensors --model ae-mnist --latent 8 --out ae8
  fedfunnel autoencoder train --snapshots run/snapshots.safetensors --model ae-mnist --checkpoint-every 100 --out ae
  fedfunnel autoencoder train --snapshots run/snapshots.safetensors --model ae-mnist \\
      --space small --out small
  fedfunnel autoencoder train --snapshots run/snapshots.safetensors --model ae-mnist --hidden 64 --out deep
  fedfunnel autoencoder train --snapshots run/snapshots.safetensors --model ae-mnist --plan --out ae
  fedfunnel autoencoder train --snapshots run/snapshots.safetensors --model ae-conv-mnist --out conv
  fedfunnel autoencoder train --snapshots cnn/snapshots.safetensors --model ae-cifar10 \\
      --layer-rates encoder=1e-7,decoder=3e-3 --epochs 60 --out wide";

const EVALUATE_EXAMPLES: &str = "Examples:
  fedfunnel autoencoder evaluate --autoencoder ae --snapshots run/snapshots.safetensors
  fedfunnel autoencoder evaluate --autoencoder ae/autoencoder.safetensors \\
      --snapshots run/snapshots.safetensors
  fedfunnel autoencoder evaluate --autoencoder ae/autoencoder.safetensors \\
      --snapshots run/snapshots.safetensors --data mnist --json";

/// What to do with an autoencoder.
#[derive(Subcommand, Debug)]
pub enum AutoencoderVerb {
    /// Train one on the snapshots of a classifier's weights
    #[command(after_help = TRAIN_EXAMPLES)]
    Train(TrainArgs),
    /// Send snapshots through one and see what the classifier makes of what comes back
    #[command(after_help = EVALUATE_EXAMPLES)]
    Evaluate(EvaluateArgs),
    /// See how well plain principal components carry snapshots, at the same number of floats
    #[command(after_help = pca::EXAMPLES)]
    Pca(pca::PcaArgs),
}

/// Widths of hidden layers, as `--hidden` takes them.
#[derive(Clone, Debug)]
struct Hidden(Vec<usize>);

impl std::str::FromStr for Hidden {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(Vec::new()));
        }
        let width = |part: &str| {
            part.trim().parse().map_err(|_| format!("{part:?} is no width; use 512, 512,64 or none"))
        };
        text.split(',').map(width).collect::<Result<_, _>>().map(Self)
    }
}

/// Arguments of `autoencoder train`.
#[derive(Args, Debug)]
pub struct TrainArgs {
    /// Snapshots to learn from, as `fedfunnel train --snapshots` writes them
    #[arg(long, value_name = "FILE")]
    snapshots: PathBuf,
    #[arg(long, help = format!("{}, or the path of a spec", built_in_autoencoders()))]
    model: String,
    /// Times that every snapshot is seen
    #[arg(long, default_value_t = 400, allow_negative_numbers = true)]
    epochs: usize,
    /// Folder for autoencoder.safetensors (or its several files and their index) and metrics.jsonl
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Snapshots per step [default: all]
    #[arg(long, allow_negative_numbers = true)]
    batch: Option<usize>,
    /// Where to train: wide, on the weights themselves, or small, on coordinates in the span of the
    /// snapshots. Small is for one hidden layer and a linear output. There sgd is the very same as on the
    /// weights, only faster; span-adam, Adam on the coordinates, is another optimiser than adam and far
    /// cheaper; adam and adamw leave the span, and are for wide
    #[arg(long, default_value = "wide", value_name = "wide|small")]
    space: Space,
    /// Learning rate [default: 0.003; 0.03 with span-adam, falling to 0]; layers that narrow learn at this
    /// rate divided by their fan-in (and times 32), span-adam excepted
    #[arg(long, allow_negative_numbers = true)]
    lr: Option<f32>,
    /// sgd, adam or adamw; with --space small, sgd or span-adam [default: adam; span-adam]
    #[arg(long, value_name = "OPTIMIZER")]
    optimizer: Option<small::Rule>,
    /// How the optimiser's moments are kept: f32, or bf16 in half the memory, for dense layers whose rows are a
    /// multiple of four wide. They are rounded by chance, right in the mean [default: f32]
    #[arg(long, value_name = "f32|bf16")]
    moments: Option<Moments>,
    /// Floats of the code, in place of the spec's
    #[arg(long, allow_negative_numbers = true)]
    latent: Option<usize>,
    /// Widths between the input and the latent, such as 512 or 512,64, mirrored in the decoder, in place of
    /// the spec's; none for none
    #[arg(long, value_name = "W[,W...]", allow_hyphen_values = true)]
    hidden: Option<Hidden>,
    /// Learning rates of layers, in place of --lr and what follows from it: one for each layer, as 1e-7,3e-3,
    /// or by name, as encoder=1e-7,decoder=3e-3 or decoder.0=3e-3
    #[arg(long, value_name = "RATE[,RATE...]", allow_hyphen_values = true)]
    layer_rates: Option<Rates>,
    /// Hold every Nth snapshot out for validation; 0 holds none out
    #[arg(long, default_value_t = 5, value_name = "N", allow_negative_numbers = true)]
    hold_out: usize,
    /// Look at losses and errors every N epochs
    #[arg(long, default_value_t = 10, value_name = "N", allow_negative_numbers = true)]
    eval_every: usize,
    /// Save the autoencoder every N epochs too, so that a run that is cut short leaves the last one; 0
    /// saves at the end only
    #[arg(long, default_value_t = 0, value_name = "N", allow_negative_numbers = true)]
    checkpoint_every: usize,
    /// Save an autoencoder with more bytes of parameters as several files and an index, the encoder's apart
    /// from the decoder's
    #[arg(long, default_value_t = MAX_FILE_BYTES, value_name = "BYTES", allow_negative_numbers = true)]
    max_file_bytes: u64,
    /// Seed of initial weights and of the order of snapshots
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    seed: u32,
    /// Print the metrics as JSON lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    memory: MemoryOptions,
    #[command(flatten)]
    device: DeviceOptions,
}

/// Arguments of `autoencoder evaluate`.
#[derive(Args, Debug)]
pub struct EvaluateArgs {
    /// The autoencoder, as `fedfunnel autoencoder train` wrote it: the file, the index of several, or their
    /// folder
    #[arg(long, value_name = "FILE|DIR")]
    autoencoder: PathBuf,
    /// The snapshots to send through it
    #[arg(long, value_name = "FILE")]
    snapshots: PathBuf,
    /// mnist, mnist-sample, cifar10, cifar10-sample (the samples are built in), or a folder; its test
    /// images are used
    #[arg(long, default_value = "mnist-sample")]
    data: String,
    /// The classifier's spec [default: the one that the snapshots name]
    #[arg(long)]
    model: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data_dir: DataDirOption,
    #[command(flatten)]
    device: DeviceOptions,
}

/// Runs the verb.
pub fn run(common: &Common, verb: &AutoencoderVerb) -> anyhow::Result<()> {
    match verb {
        AutoencoderVerb::Train(args) => train(common, args),
        AutoencoderVerb::Evaluate(args) => evaluate_verb(args),
        AutoencoderVerb::Pca(args) => pca::run(args),
    }
}

fn train(common: &Common, args: &TrainArgs) -> anyhow::Result<()> {
    let zeros = [
        ("--epochs", args.epochs == 0),
        ("--batch", args.batch == Some(0)),
        ("--eval-every", args.eval_every == 0),
        ("--max-file-bytes", args.max_file_bytes == 0),
    ];
    for (field, zero) in zeros {
        if zero {
            return Err(Error::setting(field, "0 does nothing", "use 1 or more").into());
        }
    }
    if args.space == Space::Small && args.checkpoint_every > 0 {
        let problem = "in the span of the snapshots there is nothing to save before the end";
        return Err(
            Error::setting("--checkpoint-every", problem, "leave it out: it is over in seconds").into()
        );
    }
    let optimizer = small::optimizer(args)?;
    let spec = shaped(args, optimizer.lr)?;
    files::check_output_folder("--out", &args.out)?;
    let snapshots = Snapshots::load(&args.snapshots)?;
    check_width(&args.snapshots, &snapshots, spec.inputs(), &spec.name)?;
    let (train, held_out) = HoldOut(args.hold_out).split(snapshots.rows());
    check_training(&args.snapshots, &train, held_out.len())?;
    let gpu = args.device.open()?;
    let settings = TrainerSettings { optimizer, batch: args.batch, seed: args.seed };
    let (train, held_out) = ([train], [held_out]);
    let training = Training { spec: &spec, train: &train, held_out: &held_out, settings, space: args.space };
    if args.memory.is_all() {
        args.device.save_trace(&gpu)?;
    }
    if !args.memory.allow(&gpu, &training, args.json)? {
        return Ok(());
    }
    if args.space == Space::Small {
        return small::train(
            common,
            args,
            &gpu,
            &spec,
            (&snapshots.model, &train[0], &held_out[0]),
            settings,
        );
    }
    let mut trainer = Trainer::new(&gpu, &spec, &train, &held_out, settings)?;
    let mut metrics = JsonLines::create(args.out.join("metrics.jsonl"))?;
    let mut last = None;
    let mut bars = common.bars_of(&gpu);
    let pace =
        Pace { epochs: args.epochs, look_every: args.eval_every, checkpoint_every: args.checkpoint_every };
    let point = |_, point: &CurvePoint| {
        metrics.push(point)?;
        if args.json {
            // Lines that nobody reads any more do not stop the training; the file has them too.
            let _ = super::say_json(point);
        }
        last = Some(*point);
        diverged(point)
    };
    let save = |trainer: &Trainer<'_>| {
        save_autoencoder(
            &gpu,
            &args.out,
            (&spec, &snapshots.model),
            (&trainer.network().parameters, 0),
            &trainer.read_standards()?[0],
            args.max_file_bytes,
        )
    };
    train_with_curve(&mut trainer, pace, &spec.name, &mut bars, point, |trainer| save(trainer).map(drop))?;
    metrics.finish()?;
    let path = save(&trainer)?;
    args.device.save_trace(&gpu)?;
    if let Some(point) = last {
        say_costs(&Costs::new(&spec, &point), &path, args.json)?;
    }
    if last.is_some_and(|point| point.relative_l2 > 0.9) {
        super::whisper(
            "warning: the autoencoder has learned little but the mean; train longer or with another rate",
        );
    }
    args.device.print_profile(&gpu, args.json)
}

/// The spec with what the arguments change.
fn shaped(args: &TrainArgs, lr: f32) -> fedfunnel::Result<AutoencoderSpec> {
    let mut spec = ModelSpec::load(&args.model)?.autoencoder()?;
    let hidden = args.hidden.as_ref().map(|Hidden(widths)| widths.as_slice());
    spec = spec.with_shape(("--latent", args.latent), ("--hidden", hidden))?;
    match &args.layer_rates {
        Some(rates) => spec.with_rates("--layer-rates", rates.clone().times(1.0 / lr)),
        None => Ok(spec),
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

/// What came of the training, in the same words and keys for every family of autoencoders.
fn say_costs(costs: &Costs, path: &Path, json: bool) -> anyhow::Result<()> {
    if json {
        return super::say_json(costs);
    }
    super::say(&format!(
        "{} ({} weights to {} floats, {})",
        path.display(),
        format::count(costs.inputs as u64),
        format::count(costs.latent as u64),
        format::ratio(costs.ratio),
    ))?;
    super::say(&format!(
        "parameters: {}, of them the decoder's {}; a decoder message is {}",
        format::count(costs.parameters as u64),
        format::count(costs.decoder_parameters as u64),
        format::bytes(costs.decoder_message_bytes),
    ))?;
    let held_out =
        costs.validation_relative_l2.map_or(String::new(), |error| format!(", held out {error:.3}"));
    super::say(&format!(
        "centred relative L2 error: training {:.3}{held_out} (1 is the mean alone)",
        costs.relative_l2
    ))
}

/// An error where a loss is no number any more.
fn diverged(point: &CurvePoint) -> fedfunnel::Result<()> {
    if point.loss.is_finite() {
        return Ok(());
    }
    let problem = format!("training diverged by epoch {} (the loss is {})", point.epoch, point.loss);
    Err(Error::setting("--lr", problem, "use a smaller rate"))
}

fn check_width(path: &Path, snapshots: &Snapshots, width: usize, name: &str) -> fedfunnel::Result<()> {
    if snapshots.width() == width {
        return Ok(());
    }
    Err(Error::file(
        path,
        format!(
            "`snapshots` are of {} with {} values each, and {name} takes {width}",
            snapshots.model,
            snapshots.width()
        ),
        "use the snapshots and the autoencoder of the same model",
    ))
}

fn evaluate_verb(args: &EvaluateArgs) -> anyhow::Result<()> {
    let autoencoder = AutoencoderFile::open(&args.autoencoder)?;
    let snapshots = Snapshots::load(&args.snapshots)?;
    check_width(&args.snapshots, &snapshots, autoencoder.spec.inputs(), &autoencoder.spec.name)?;
    let classifier = load_classifier(args, &snapshots)?;
    if classifier.parameters() != snapshots.width() {
        let problem = format!(
            "{} has {} parameters, the snapshots have {}",
            classifier.name,
            classifier.parameters(),
            snapshots.width()
        );
        return Err(
            Error::setting("--model", problem, "name the classifier that the snapshots are of").into()
        );
    }
    let data = data::load(&args.data, &args.data_dir.resolve()?)?;
    classifier.check_data(&data)?;
    let gpu = args.device.open()?;
    let images = snapshots.inputs.upload(&gpu, &data.test)?;
    let evaluator = Evaluator::new(&gpu, &classifier, &images, snapshots.len())?;
    let evaluation = evaluate(&gpu, &autoencoder, &snapshots, &evaluator)?;
    args.device.save_trace(&gpu)?;
    if args.json {
        super::print_json(&evaluation)?;
        return args.device.print_profile(&gpu, true);
    }
    let columns = ["snapshot", "step", "relative L2", "argmax", "accuracy", "reconstructed", "mean"];
    let mut table = Table::new("evaluation", "Snapshots and what comes back of them", &columns);
    for row in &evaluation.snapshots {
        table.push([
            row.snapshot.to_string(),
            row.step.map_or("-".into(), format::count),
            format!("{:.3}", row.relative_l2),
            if row.argmax_match { "same" } else { "other" }.to_string(),
            format::percent(row.original_accuracy),
            format::percent(row.reconstructed_accuracy),
            format::percent(evaluation.mean_accuracy),
        ]);
    }
    super::say(&text_table(&table))?;
    super::say(&format!(
        "centred relative L2 error of all: {:.3} (1 is what the mean of the training snapshots leaves)\n\
         argmax match: {} (the mean alone: {})",
        evaluation.relative_l2,
        format::percent(evaluation.argmax_match),
        format::percent(evaluation.mean_argmax_match)
    ))?;
    args.device.print_profile(&gpu, false)
}

/// The classifier that was asked for, or else the built-in one that the snapshots name.
fn load_classifier(args: &EvaluateArgs, snapshots: &Snapshots) -> fedfunnel::Result<ClassifierSpec> {
    if let Some(name) = &args.model {
        return ModelSpec::load(name)?.classifier();
    }
    if built_in_names().any(|name| name == snapshots.model) {
        return ModelSpec::load(&snapshots.model)?.classifier();
    }
    Err(Error::setting(
        "--model",
        format!("the snapshots are of {:?}, which is not built in", snapshots.model),
        "give the path of its spec",
    ))
}
