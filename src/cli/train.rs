//! `fedfunnel train`

use super::common::{Common, refuse_zeros};
use super::options::{DataDirOption, DeviceOptions};
use super::start::{CommandLine, StartOptions, run_to_end};
use super::stdout::{say, say_json};
use clap::{ArgAction, Args};
use fedfunnel::data::{self, DataDir, ImageShape};
use fedfunnel::gpu::Gpu;
use fedfunnel::model::state::{StateFile, StateWriter, TensorShape};
use fedfunnel::model::{ClassifierSpec, MASK_ENDING, MaskFile, ModelSpec, Optimizer, OptimizerKind};
use fedfunnel::ops::augment::Augmentation;
use fedfunnel::run::{Identity, Place, Run, RunFolder, is_finished};
use fedfunnel::training::{EpochResult, Session, SessionNotes, SessionSettings, SnapshotEvery};
use fedfunnel::{Error, files, settings};
use serde::Serialize;
use std::collections::HashMap;
use std::path::PathBuf;

/// The stage's name in the run's state.
const STAGE: &str = "training";

pub const EXAMPLES: &str = "Examples:
  fedfunnel train mnist-mlp --epochs 2 --out run      the sample of MNIST inside the program
  fedfunnel train mnist-mlp --data mnist --snapshots 100 --out run
  fedfunnel train cifar10-vgg3 --data cifar10-sample --optimizer sgd --lr 0.01 \\
      --standardize --out run
  fedfunnel train mnist-mlp --init run/model.safetensors --lr 1e-4 --out more
  fedfunnel train mnist-mlp --epochs 50 --out run --resume    go on with what was cut short

Ctrl-C finishes the epoch, saves, and says how to go on.";

/// Arguments of `train`. Those that decide the result are kept in the run's folder, the optimiser's apart.
#[derive(Args, Debug, Serialize)]
pub struct TrainArgs {
    /// A classifier: mnist-mlp, cifar10-vgg3, cifar10-tff, conv4, conv4-half, conv6, or the path of a spec
    model: String,
    /// mnist, mnist-sample, fashion-mnist, cifar10, cifar10-sample (the samples are built in), or a folder
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
    #[serde(skip)]
    lr: f32,
    /// sgd, adam or adamw
    #[arg(long, default_value = "adam")]
    #[serde(skip)]
    optimizer: OptimizerKind,
    /// Momentum of sgd
    #[arg(long, default_value_t = 0.9, allow_negative_numbers = true)]
    #[serde(skip)]
    momentum: f32,
    /// L2 penalty (sgd, adam) or decay (adamw)
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    #[serde(skip)]
    weight_decay: f32,
    /// Seed of initial weights, of the order of images, and of --flip and --crop
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    seed: u32,
    /// Folder for model.safetensors, metrics.jsonl and snapshots.safetensors
    #[arg(long, value_name = "DIR")]
    #[serde(skip)]
    out: PathBuf,
    /// Start from these weights (safetensors with PyTorch's names, or the .mask of fedfunnel export)
    #[arg(long, value_name = "FILE")]
    init: Option<PathBuf>,
    /// See the images in their own order
    #[arg(long = "no-shuffle", action = ArgAction::SetFalse)]
    shuffle: bool,
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
    #[command(flatten)]
    #[serde(skip)]
    start: StartOptions,
    /// Print the metrics as JSON lines
    #[arg(long)]
    #[serde(skip)]
    json: bool,
    #[command(flatten)]
    #[serde(skip)]
    data_dir: DataDirOption,
    #[command(flatten)]
    #[serde(skip)]
    device: DeviceOptions,
}

/// A line of the metrics.
#[derive(Serialize)]
struct EpochMetrics {
    epoch: u64,
    train_loss: f64,
    test_loss: Option<f64>,
    test_accuracy: Option<f64>,
    seconds: f64,
    images_per_second: f64,
}

impl From<&EpochResult> for EpochMetrics {
    fn from(epoch: &EpochResult) -> Self {
        let &EpochResult { epoch, train_loss, test_loss, test_accuracy, seconds, images_per_second, .. } =
            epoch;
        Self { epoch, train_loss, test_loss, test_accuracy, seconds, images_per_second }
    }
}

/// All that decides the result, as the run's folder keeps it.
#[derive(Serialize)]
struct Settings<'a> {
    #[serde(flatten)]
    args: &'a TrainArgs,
    optimizer: Optimizer,
}

/// Trains a classifier.
pub fn run(common: &Common, args: &TrainArgs) -> anyhow::Result<()> {
    refuse_zeros(&[
        ("--epochs", args.epochs == 0),
        ("--batch", args.batch == 0),
        ("--limit", args.limit == Some(0)),
        ("--eval-every", args.eval_every == 0),
    ])?;
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
    let data_dir = args.data_dir.resolve()?;
    let identity = identify(args, optimizer, &data_dir)?;
    let start = args.start.start();
    let path = args.out.join("model.safetensors");
    if is_finished(&args.out, &identity, start)? {
        args.device.refuse_timing("the training is finished")?;
        return say(&path.display().to_string());
    }
    let mut data = data::load(&args.data, &data_dir)?;
    spec.check_data(&data)?;
    if let Some(limit) = args.limit {
        data.train = data.train.limit(limit)?;
    }
    let changes = Augmentation { flip: args.flip, pad: args.crop, grayscale: args.grayscale };
    check_changes(changes, data.train.shape)?;
    check_snapshots(args, data.train.len())?;
    let gpu = args.device.open()?;
    let settings = SessionSettings {
        epochs: args.epochs,
        batch: args.batch,
        optimizer,
        seed: args.seed,
        shuffle: args.shuffle,
        test_every: args.eval_every,
        snapshots: args.snapshots,
        standardize: args.standardize,
        changes,
    };
    let mut session = Session::new(&gpu, &spec, &data, settings)?;
    if let Some(path) = &args.init {
        let parameters = &session.cohort().network.parameters;
        if path.extension().is_some_and(|ending| ending == MASK_ENDING) {
            parameters.write(&gpu, 0, &MaskFile::read(path)?.weights(&spec, path)?);
        } else {
            StateFile::open(path)?.upload(&gpu, parameters, 0, &spec.name)?;
        }
    }
    let command = CommandLine::as_given(Some(&args.data_dir));
    let folder = RunFolder::open(&args.out, identity, start)?;
    let place = Place { gpu: Some(&gpu), data_dir: Some(&data_dir), folder, command: command.as_str() };
    run_to_end(place, common.bars_of(&gpu), |run| {
        train(run, &mut session, args.json)?;
        save(args, &spec, &gpu, &session)
    })?;
    args.device.save_trace(&gpu)?;
    if !args.json {
        say(&path.display().to_string())?;
    }
    args.device.print_profile(&gpu, args.json)
}

/// Trains all epochs, or those that are left.
fn train(run: &mut Run<'_>, session: &mut Session, json: bool) -> fedfunnel::Result<()> {
    if let Some((notes, file)) = run.load::<SessionNotes>(STAGE)? {
        notes.epochs.iter().try_for_each(|epoch| run.log(&EpochMetrics::from(epoch)))?;
        session.resume(notes, &file)?;
    }
    while !session.is_over() {
        let epoch = session.epoch("epoch", run.observer)?;
        let line = EpochMetrics::from(&epoch);
        run.log(&line)?;
        if json {
            // A reader that is gone does not stop the training; the file has the lines too.
            let _ = say_json(&line);
        }
        epoch.check_finite("--lr")?;
        if !session.is_over() {
            let shapes = session.state_shapes();
            let bytes = shapes.iter().map(TensorShape::bytes).sum();
            run.pause(bytes, |run| {
                run.save(STAGE, &session.notes(), &shapes, |file| session.put_state(file))
            })?;
        }
    }
    Ok(())
}

/// Writes the trained model and its snapshots.
fn save(args: &TrainArgs, spec: &ClassifierSpec, gpu: &Gpu, session: &Session) -> fedfunnel::Result<()> {
    let metadata = HashMap::from([
        ("model".to_string(), spec.name.clone()),
        ("epochs".to_string(), args.epochs.to_string()),
        ("seed".to_string(), args.seed.to_string()),
    ]);
    let parameters = &session.cohort().network.parameters;
    let path = args.out.join("model.safetensors");
    let mut file = StateWriter::create(&path, &TensorShape::of(parameters), &metadata)?;
    file.put_parameters(gpu, parameters, 0)?;
    file.finish()?;
    if args.snapshots.is_some() {
        session.snapshots().save(&args.out.join("snapshots.safetensors"))?;
    }
    Ok(())
}

/// The identity of the run.
fn identify(args: &TrainArgs, optimizer: Optimizer, data_dir: &DataDir) -> fedfunnel::Result<Identity> {
    let own = Identity::new("train", &settings::to_toml(&Settings { args, optimizer })?);
    let own = own.with_model(&args.model)?.with_data(&args.data, data_dir)?;
    match &args.init {
        Some(path) => own.with_file("--init", path),
        None => Ok(own),
    }
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
