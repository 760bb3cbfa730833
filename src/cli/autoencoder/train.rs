//! `fedfunnel autoencoder train`

use super::args::{self, Hidden, TrainArgs};
use super::checks::{check_training, check_width};
use super::job::{Job, STAGE, check_finite};
use super::small;
use crate::cli::common::{Common, refuse_zeros};
use crate::cli::start::{CommandLine, failed};
use crate::cli::stdout::{say, say_json, whisper};
use fedfunnel::autoencoder::small::Space;
use fedfunnel::autoencoder::{
    CurvePoint, Pace, Trainer, TrainerSettings, Training, Watcher, train_with_curve,
};
use fedfunnel::codec::Costs;
use fedfunnel::model::state::{self, TensorShape};
use fedfunnel::model::{AutoencoderSpec, ModelSpec, Optimizer, Rates};
use fedfunnel::progress::Observer;
use fedfunnel::report::format;
use fedfunnel::run::{Found, Identity, Place, Run, RunFolder, Start, check_folder};
use fedfunnel::training::{HoldOut, Snapshots};
use fedfunnel::{Error, files, settings};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

pub const EXAMPLES: &str = "Examples:
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

/// Runs the verb.
pub fn run(common: &Common, args: &TrainArgs) -> anyhow::Result<()> {
    refuse_zeros(&[
        ("--epochs", args.epochs == 0),
        ("--batch", args.batch == Some(0)),
        ("--eval-every", args.eval_every == 0),
        ("--max-file-bytes", args.max_file_bytes == 0),
    ])?;
    if args.space == Space::Small && args.checkpoint_every > 0 {
        let problem = "in the span of the snapshots there is nothing to save before the end";
        return Err(
            Error::setting("--checkpoint-every", problem, "leave it out: it is over in seconds").into()
        );
    }
    let optimizer = args::optimizer(args)?;
    let spec = shaped(args, optimizer.lr)?;
    files::check_output_folder("--out", &args.out)?;
    let snapshots = Snapshots::load(&args.snapshots)?;
    let identity = identify(args, optimizer)?;
    let start = args.start.start();
    if !args.memory.is_plan_only() {
        let found = check_folder(&args.out, &identity, start)?;
        if let (Found::Finished(_), Start::Resume) = (found, start) {
            args.device.refuse_timing("the training is finished")?;
            return say(&autoencoder_in(&args.out).display().to_string());
        }
    }
    check_width(&args.snapshots, &snapshots, spec.inputs(), &spec.name)?;
    let (train, held_out) = HoldOut(args.hold_out).split(snapshots.rows());
    check_training(&args.snapshots, &train, held_out.len())?;
    let gpu = args.device.open()?;
    let settings = TrainerSettings { optimizer, batch: args.batch, seed: args.seed };
    let (train, held_out) = ([train], [held_out]);
    let training = Training { spec: &spec, train: &train, held_out: &held_out, settings, space: args.space };
    if args.memory.is_plan_only() {
        args.device.save_trace(&gpu)?;
    }
    if !args.memory.allow(&gpu, &training, args.json)? {
        return Ok(());
    }
    let command = CommandLine::as_given(None);
    let mut bars = common.bars_of(&gpu);
    bars.stop_on_signals()?;
    let folder = RunFolder::open(&args.out, identity, start)?;
    let place = Place { gpu: Some(&gpu), data_dir: None, folder, command: command.as_str() };
    let mut run = Run::open(place, &mut bars)?;
    let job = Job {
        args,
        gpu: &gpu,
        spec: &spec,
        model: &snapshots.model,
        train: &train,
        held_out: &held_out,
        settings,
    };
    let trained = match args.space {
        Space::Wide => wide(&mut run, &job).map(Trained::Wide),
        Space::Small => small::train(&mut run, &job).map(Trained::Small),
    };
    let trained = match trained {
        Ok(trained) => trained,
        Err(error) => return Err(failed(run, error)),
    };
    run.close()?;
    args.device.save_trace(&gpu)?;
    let error = match &trained {
        Trained::Wide(point) => {
            say_costs(&Costs::new(&spec, point), &autoencoder_in(&args.out), args.json)?;
            point.relative_l2
        }
        Trained::Small(trained) => small::say_costs(&job, trained, &autoencoder_in(&args.out))?,
    };
    if error > 0.9 {
        whisper(
            "warning: the autoencoder has learned little but the mean; train longer or with another rate",
        );
    }
    args.device.print_profile(&gpu, args.json)
}

/// What came of the training.
enum Trained {
    Wide(CurvePoint),
    Small(Box<small::Trained>),
}

/// Where a wide training stands, besides its tensors.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Notes {
    curve: Vec<CurvePoint>,
    taken: Vec<u64>,
}

/// Follows a wide training: writes what it comes to, and saves where it can be left.
struct Watching<'a, 'r> {
    run: &'a mut Run<'r>,
    job: &'a Job<'a>,
    notes: Notes,
}

impl Watcher for Watching<'_, '_> {
    fn observer(&mut self) -> &mut dyn Observer {
        self.run.observer
    }

    fn looked(&mut self, trainer: &Trainer, points: &[CurvePoint]) -> fedfunnel::Result<()> {
        let Self { run, job, notes } = self;
        for point in points {
            run.log(point)?;
            job.say_point(point);
            check_finite(point.epoch, point.loss)?;
            notes.curve.push(*point);
        }
        if trainer.epochs() as usize == job.args.epochs {
            return Ok(());
        }
        notes.taken = trainer.taken().to_vec();
        let (network, shapes) = (trainer.network(), trainer.network().state_shapes());
        let bytes = shapes.iter().map(TensorShape::bytes).sum();
        run.pause(bytes, |run| run.save(STAGE, notes, &shapes, |file| network.put_state(job.gpu, file)))
    }

    fn checkpoint(&mut self, trainer: &Trainer) -> fedfunnel::Result<()> {
        self.job.save(trainer.network(), &trainer.read_standards()?[0]).map(drop)
    }
}

/// Trains on the weights themselves, or goes on with that.
fn wide(run: &mut Run<'_>, job: &Job<'_>) -> fedfunnel::Result<CurvePoint> {
    let args = job.args;
    let mut trainer = Trainer::new(job.gpu, job.spec, job.train, job.held_out, job.settings)?;
    let mut notes = Notes::default();
    if let Some((saved, file)) = run.load::<Notes>(STAGE)? {
        saved.curve.iter().try_for_each(|point| run.log(point))?;
        let epochs = saved.curve.last().map_or(0, |point| point.epoch);
        trainer.resume(&file, &saved.taken, epochs)?;
        notes = saved;
    }
    let pace =
        Pace { epochs: args.epochs, look_every: args.eval_every, checkpoint_every: args.checkpoint_every };
    let seconds = notes.curve.last().map_or(0.0, |point| point.seconds);
    let mut watching = Watching { run, job, notes };
    train_with_curve(&mut trainer, pace, &job.spec.name, seconds, &mut watching)?;
    let last = watching.notes.curve.last().copied().unwrap_or_default();
    job.save(trainer.network(), &trainer.read_standards()?[0])?;
    Ok(last)
}

/// All that decides the result, as the run's folder keeps it.
#[derive(Serialize)]
struct Settings<'a> {
    snapshots: &'a Path,
    model: &'a str,
    epochs: usize,
    batch: Option<usize>,
    space: Space,
    latent: Option<usize>,
    hidden: Option<&'a [usize]>,
    layer_rates: Option<&'a Rates>,
    hold_out: usize,
    eval_every: usize,
    max_file_bytes: u64,
    seed: u32,
    optimizer: Optimizer,
}

/// What decides the result.
fn identify(args: &TrainArgs, optimizer: Optimizer) -> fedfunnel::Result<Identity> {
    let settings = Settings {
        snapshots: &args.snapshots,
        model: &args.model,
        epochs: args.epochs,
        batch: args.batch,
        space: args.space,
        latent: args.latent,
        hidden: args.hidden.as_ref().map(|Hidden(widths)| widths.as_slice()),
        layer_rates: args.layer_rates.as_ref(),
        hold_out: args.hold_out,
        eval_every: args.eval_every,
        max_file_bytes: args.max_file_bytes,
        seed: args.seed,
        optimizer,
    };
    let own = Identity::new("autoencoder train", &settings::to_toml(&settings)?);
    own.with_model(&args.model)?.with_file("--snapshots", &args.snapshots)
}

/// The spec with what the arguments change.
fn shaped(args: &TrainArgs, lr: f32) -> fedfunnel::Result<AutoencoderSpec> {
    let mut spec = ModelSpec::load(&args.model)?.autoencoder()?;
    let hidden = args.hidden.as_ref().map(|Hidden(widths)| widths.as_slice());
    spec = spec.with_shape("--latent", args.latent, "--hidden", hidden)?;
    match &args.layer_rates {
        Some(rates) => spec.with_rates("--layer-rates", rates.clone().times(1.0 / lr)),
        None => Ok(spec),
    }
}

/// What came of the training, in the same words and keys for every family of autoencoders.
fn say_costs(costs: &Costs, path: &Path, json: bool) -> anyhow::Result<()> {
    if json {
        return say_json(costs);
    }
    say(&format!(
        "{} ({} weights to {} floats, {})",
        path.display(),
        format::count(costs.inputs as u64),
        format::count(costs.latent as u64),
        format::ratio(costs.ratio),
    ))?;
    say(&format!(
        "parameters: {}, of them the decoder's {}; a decoder message is {}",
        format::count(costs.parameters as u64),
        format::count(costs.decoder_parameters as u64),
        format::bytes(costs.decoder_message_bytes),
    ))?;
    let held_out =
        costs.validation_relative_l2.map_or(String::new(), |error| format!(", held out {error:.3}"));
    say(&format!(
        "centred relative L2 error: training {:.3}{held_out} (1 is the mean alone)",
        costs.relative_l2
    ))
}

/// The file that an autoencoder in a folder is read from.
fn autoencoder_in(folder: &Path) -> PathBuf {
    state::find(folder, "autoencoder")
}
