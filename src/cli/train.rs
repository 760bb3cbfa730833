//! `fedfunnel train`

use super::Common;
use super::options::{DataDirOption, DeviceOptions};
use clap::Args;
use fedfunnel::data::{self, ImageShape};
use fedfunnel::model::state::{StateFile, StateWriter, TensorShape};
use fedfunnel::model::{ModelSpec, Optimizer, OptimizerKind};
use fedfunnel::ops::augment::Augmentation;
use fedfunnel::progress::Observer;
use fedfunnel::report::{JsonLines, format};
use fedfunnel::training::{Cohort, Evaluator, Inputs, SnapshotEvery, Snapshots, train_epoch};
use fedfunnel::{Error, files};
use serde::Serialize;
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

pub const EXAMPLES: &str = "Examples:
  fedfunnel train mnist-mlp --epochs 2 --out run      the sample of MNIST inside the program
  fedfunnel train mnist-mlp --data mnist --snapshots 100 --out run
  fedfunnel train cifar10-vgg3 --data cifar10-sample --optimizer sgd --lr 0.01 \\
      --standardize --out run
  fedfunnel train mnist-mlp --init run/model.safetensors --lr 1e-4 --out more";

/// Arguments of `train`.
#[derive(Args, Debug)]
pub struct TrainArgs {
    /// A classifier: mnist-mlp, cifar10-vgg3, or the path of a spec
    model: String,
    /// mnist, mnist-sample, cifar10, cifar10-sample (the samples are built in), or a folder
    #[arg(long, default_value = "mnist-sample")]
    data: String,
    /// Times that every training image is seen
    #[arg(long, default_value_t = 10, allow_negative_numbers = true)]
    epochs: u64,
    /// Images per step
    #[arg(long, default_value_t = 64, allow_negative_numbers = true)]
    batch: usize,
    /// Learning rate
    #[arg(long, default_value_t = 1e-3, allow_negative_numbers = true)]
    lr: f32,
    /// sgd, adam or adamw
    #[arg(long, default_value = "adam")]
    optimizer: OptimizerKind,
    /// Momentum of sgd
    #[arg(long, default_value_t = 0.9, allow_negative_numbers = true)]
    momentum: f32,
    /// L2 penalty (sgd, adam) or decay (adamw)
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    weight_decay: f32,
    /// Seed of initial weights, of the order of images, and of --flip and --crop
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    seed: u32,
    /// Folder for model.safetensors, metrics.jsonl and snapshots.safetensors
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Start from these weights (safetensors with PyTorch's names)
    #[arg(long, value_name = "FILE")]
    init: Option<PathBuf>,
    /// See the images in their own order
    #[arg(long)]
    no_shuffle: bool,
    /// Train on the first N images only
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    limit: Option<usize>,
    /// Test after every N epochs, and after the last
    #[arg(long, default_value_t = 1, value_name = "N", allow_negative_numbers = true)]
    eval_every: u64,
    /// Subtract each channel's mean and divide by its standard deviation (of the training images)
    #[arg(long)]
    standardize: bool,
    /// Mirror training images, each with a chance of one in two in every epoch
    #[arg(long)]
    flip: bool,
    /// Shift training images by up to N pixels, at random in every epoch
    #[arg(long, default_value_t = 0, value_name = "N", allow_negative_numbers = true)]
    crop: usize,
    /// Replace colours by their luma, in three channels as before
    #[arg(long)]
    grayscale: bool,
    /// Log the weights after each epoch, or after every N steps
    #[arg(long, value_name = "epoch|N")]
    snapshots: Option<SnapshotEvery>,
    /// Print the metrics as JSON lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data_dir: DataDirOption,
    #[command(flatten)]
    device: DeviceOptions,
}

#[derive(Serialize)]
struct EpochMetrics {
    epoch: u64,
    train_loss: f64,
    test_loss: Option<f64>,
    test_accuracy: Option<f64>,
    seconds: f64,
    images_per_second: f64,
}

/// Trains a classifier.
pub fn run(common: &Common, args: &TrainArgs) -> anyhow::Result<()> {
    let zeros = [
        ("--epochs", args.epochs == 0),
        ("--batch", args.batch == 0),
        ("--limit", args.limit == Some(0)),
        ("--eval-every", args.eval_every == 0),
    ];
    if let Some((field, _)) = zeros.iter().find(|(_, is_zero)| *is_zero) {
        return Err(Error::setting(*field, "0 does nothing", "use 1 or more").into());
    }
    let spec = ModelSpec::load(&args.model)?.classifier()?;
    let optimizer = Optimizer {
        kind: args.optimizer,
        lr: args.lr,
        momentum: args.momentum,
        weight_decay: args.weight_decay,
        ..Optimizer::default()
    };
    optimizer.check("--")?;
    files::check_output_folder("--out", &args.out)?;
    let mut data = data::load(&args.data, &args.data_dir.resolve()?)?;
    spec.check_data(&data)?;
    if let Some(limit) = args.limit {
        data.train = data.train.limit(limit)?;
    }
    let changes = Augmentation { flip: args.flip, pad: args.crop, grayscale: args.grayscale };
    check_changes(changes, data.train.shape)?;
    check_snapshots(args, data.train.len())?;
    let gpu = args.device.open()?;
    let statistics = args.standardize.then(|| data.train.channel_statistics());
    let inputs = Inputs { statistics, grayscale: args.grayscale };
    let train = inputs.upload_changed(&gpu, &data.train, changes, args.seed)?;
    let test = inputs.upload(&gpu, &data.test)?;
    let mut cohort = Cohort::new(&gpu, &spec, &train, 1, args.batch, optimizer)?;
    match &args.init {
        Some(path) => {
            StateFile::open(path)?.upload(&gpu, &cohort.network.parameters, 0, &spec.name)?;
        }
        None => cohort.network.parameters.initialize(&gpu, args.seed, true)?,
    }
    let evaluator = Evaluator::new(&gpu, &spec, &test, 1)?;
    let mut metrics = JsonLines::create(args.out.join("metrics.jsonl"))?;
    let mut snapshots = [Snapshots::new(&spec.name)];
    snapshots[0].inputs = inputs;
    let mut bars = common.bars_of(&gpu);
    let batch = cohort.batch() as u64;
    let mut steps = 0;
    for epoch in 0..args.epochs {
        let order = data::epoch_order(data.train.len(), u64::from(args.seed), epoch, !args.no_shuffle);
        let orders = [order];
        cohort.begin_epoch(epoch);
        bars.begin(&format!("epoch {}/{}", epoch + 1, args.epochs), "images", data.train.len() as u64);
        let start = Instant::now();
        train_epoch(&mut cohort, &orders, args.snapshots, (steps, epoch), &mut snapshots, &mut |done| {
            bars.advance(u64::from(done) * batch);
        })?;
        steps += cohort.steps(&orders) as u64;
        let trained = cohort.take_tallies()?[0];
        let seconds = start.elapsed().as_secs_f64();
        let due = (epoch + 1).is_multiple_of(args.eval_every) || epoch + 1 == args.epochs;
        let tested = if due { Some(evaluator.evaluate(&cohort.parameters()?)?[0]) } else { None };
        let line = EpochMetrics {
            epoch: epoch + 1,
            train_loss: trained.loss,
            test_loss: tested.map(|t| t.loss),
            test_accuracy: tested.map(|t| t.accuracy),
            seconds,
            images_per_second: trained.samples as f64 / seconds,
        };
        bars.note(&format!(
            "train loss {:.4}{}  {} images/s",
            line.train_loss,
            tested.map_or(String::new(), |t| {
                format!("  test loss {:.4}  test accuracy {}", t.loss, format::percent(t.accuracy))
            }),
            format::count(line.images_per_second as u64)
        ));
        bars.end();
        metrics.push(&line)?;
        if args.json {
            // Lines that nobody reads any more do not stop the training; the file has them too.
            let _ = super::say_json(&line);
        }
        if !line.train_loss.is_finite() {
            return Err(Error::setting(
                "--lr",
                format!("training diverged in epoch {} (the loss is {})", epoch + 1, line.train_loss),
                "use a smaller rate",
            )
            .into());
        }
    }
    metrics.finish()?;
    let metadata = HashMap::from([
        ("model".to_string(), spec.name.clone()),
        ("epochs".to_string(), args.epochs.to_string()),
        ("seed".to_string(), args.seed.to_string()),
    ]);
    let parameters = &cohort.network.parameters;
    let path = args.out.join("model.safetensors");
    let mut file = StateWriter::create(&path, &TensorShape::of(parameters), &metadata)?;
    file.put_parameters(&gpu, parameters, 0)?;
    file.finish()?;
    if args.snapshots.is_some() {
        snapshots[0].save(&args.out.join("snapshots.safetensors"))?;
    }
    args.device.save_trace(&gpu)?;
    if !args.json {
        super::say(&path.display().to_string())?;
    }
    args.device.print_profile(&gpu, args.json)
}

/// Refuses changes that cannot be made to images of this size.
fn check_changes(changes: Augmentation, shape: ImageShape) -> fedfunnel::Result<()> {
    if changes.grayscale && shape.channels != 3 {
        let problem = format!("{shape} images have no colours to take out");
        return Err(Error::setting("--grayscale", problem, "leave it out, or choose data with 3 channels"));
    }
    if changes.pad > shape.height.min(shape.width) {
        let problem = format!("{} pixels of padding around {shape} images", changes.pad);
        return Err(Error::setting("--crop", problem, "use a few pixels, such as 4"));
    }
    Ok(())
}

/// Refuses a run that would end before its first snapshot.
fn check_snapshots(args: &TrainArgs, images: usize) -> fedfunnel::Result<()> {
    let steps = args.epochs.saturating_mul(images.div_ceil(args.batch) as u64);
    match args.snapshots {
        Some(SnapshotEvery::Steps(every)) if every as u64 > steps => Err(Error::setting(
            "--snapshots",
            format!("the run ends after {steps} steps, before the first snapshot after {every}"),
            "use a smaller number, or more --epochs",
        )),
        _ => Ok(()),
    }
}
