//! `fedfunnel autoencoder train`

use super::args::{TrainArgs, optimizer};
use super::checks::{check_training, check_width};
use super::job::Job;
use super::small;
use crate::cli::common::{Common, refuse_zeros};
use crate::cli::start::{CommandLine, run_to_end};
use crate::cli::stdout::{say, say_json, whisper};
use fedfunnel::autoencoder::small::Space;
use fedfunnel::autoencoder::{
    AutoencoderSettings, CurvePoint, Learner, MemoryPlan, Source, Training, Watcher, learn,
};
use fedfunnel::codec::Costs;
use fedfunnel::model::state;
use fedfunnel::report::format;
use fedfunnel::run::{Identity, Place, Run, RunFolder, is_finished};
use fedfunnel::training::Snapshots;
use fedfunnel::{Error, files, settings};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The stage's name in the run's state.
const STAGE: &str = "training";

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
    refuse_zeros(&[("--max-file-bytes", args.max_file_bytes == 0)])?;
    if args.space == Space::Small && args.checkpoint_every > 0 {
        let problem = "in the span of the snapshots there is nothing to save before the end";
        let mend = "leave it out: it is over in seconds";
        return Err(Error::setting("--checkpoint-every", problem, mend).into());
    }
    let settings = settings_of(args)?;
    settings.check_from(Source::CommandLine)?;
    let spec = settings.shape_from(Source::CommandLine)?;
    files::check_output_folder("--out", &args.out)?;
    let snapshots = Snapshots::load(&args.snapshots)?;
    let identity = identify(args, &settings)?;
    let start = args.start.start();
    if !args.memory.plan && is_finished(&args.out, &identity, start)? {
        args.device.refuse_timing("the training is finished")?;
        return say(&autoencoder_in(&args.out).display().to_string());
    }
    check_width(&args.snapshots, &snapshots, spec.inputs(), &spec.name)?;
    let (train, held_out) = settings.split(snapshots.rows());
    check_training(&args.snapshots, &train, held_out.len())?;
    let gpu = args.device.open()?;
    let (train, held_out) = ([train], [held_out]);
    let training =
        Training { spec: &spec, settings: &settings, seed: args.seed, train: &train, held_out: &held_out };
    if args.memory.plan {
        args.device.save_trace(&gpu)?;
    }
    if !args.memory.allow(&gpu, &training, args.json)? {
        return Ok(());
    }
    let command = CommandLine::as_given(None);
    let folder = RunFolder::open(&args.out, identity, start)?;
    let place = Place { gpu: Some(&gpu), data_dir: None, folder, command: command.as_str() };
    let job = Job { args, gpu: &gpu, model: &snapshots.model, training };
    let trained = run_to_end(place, common.bars_of(&gpu), |run| {
        train_and_save(run, &job).map_err(|error| MemoryPlan::explain(&gpu, &job.training, error))
    })?;
    args.device.save_trace(&gpu)?;
    let Trained { learner, last, forms } = &trained;
    let error = match learner {
        Learner::Wide(_) => {
            say_costs(&Costs::new(&spec, last), &autoencoder_in(&args.out), args.json)?;
            last.relative_l2
        }
        Learner::Small(trainer) => {
            small::say_costs(&job, trainer, forms, last.seconds, &autoencoder_in(&args.out))?
        }
    };
    if error > 0.9 {
        whisper(
            "warning: the autoencoder has learned little but the mean; train longer or with another rate",
        );
    }
    args.device.print_profile(&gpu, args.json)
}

/// What came of the training.
struct Trained {
    learner: Learner,
    last: CurvePoint,
    /// Of the decoder, in the small space.
    forms: Vec<small::Shipped>,
}

/// A line of the metrics.
#[derive(Serialize)]
struct Line<'a> {
    /// Named in the small space.
    #[serde(skip_serializing_if = "Option::is_none")]
    optimizer: Option<&'static str>,
    #[serde(flatten)]
    point: &'a CurvePoint,
    /// What was not measured: all lines have the same keys.
    #[serde(flatten)]
    unmeasured: BTreeMap<&'static str, Option<f64>>,
}

/// Follows a training: writes what it comes to, and saves checkpoints.
struct Watching<'a> {
    job: &'a Job<'a>,
    optimizer: Option<&'static str>,
}

impl Watching<'_> {
    fn line<'p>(&self, point: &'p CurvePoint) -> Line<'p> {
        let validation = [
            ("validation_loss", point.validation_loss),
            ("validation_relative_l2", point.validation_relative_l2),
            ("validation_argmax_match", point.validation_argmax_match),
        ];
        let unmeasured = validation.into_iter().filter(|(_, value)| value.is_none()).collect();
        Line { optimizer: self.optimizer, point, unmeasured }
    }
}

impl Watcher for Watching<'_> {
    fn log(&mut self, run: &mut Run<'_>, point: &CurvePoint) -> fedfunnel::Result<()> {
        run.log(&self.line(point))
    }

    fn show(&mut self, point: &CurvePoint) {
        if self.job.args.json {
            // Lines whose reader has gone do not stop the training; the file has them too.
            let _ = say_json(&self.line(point));
        }
    }

    fn expands(&self, is_last: bool) -> bool {
        is_last
    }

    fn checkpoint_every(&self) -> usize {
        self.job.args.checkpoint_every
    }

    fn checkpoint(&mut self, learner: &Learner) -> fedfunnel::Result<()> {
        self.job.save(learner)
    }

    fn source(&self) -> Source {
        Source::CommandLine
    }
}

/// Trains, or goes on with that, and writes the autoencoder.
fn train_and_save(run: &mut Run<'_>, job: &Job<'_>) -> fedfunnel::Result<Trained> {
    let mut learner = Learner::new(job.gpu, &job.training)?;
    let optimizer = match &learner {
        Learner::Wide(_) => None,
        Learner::Small(trainer) => Some(trainer.optimizer_name()),
    };
    run.observer.begin(&job.training.spec.name, "epochs", job.training.settings.epochs as u64);
    let curves = learn(run, STAGE, &mut learner, &mut Watching { job, optimizer })?;
    run.observer.end();
    job.save(&learner)?;
    let forms = match &learner {
        Learner::Wide(_) => Vec::new(),
        Learner::Small(trainer) => small::write_forms(job, trainer)?,
    };
    let last = curves.iter().flatten().last().copied().unwrap_or_default();
    Ok(Trained { learner, last, forms })
}

/// All that decides the result, as the run's folder keeps it.
#[derive(Serialize)]
struct Settings<'a> {
    snapshots: &'a Path,
    max_file_bytes: u64,
    seed: u32,
    #[serde(flatten)]
    autoencoder: &'a AutoencoderSettings,
}

/// What decides the result.
fn identify(args: &TrainArgs, autoencoder: &AutoencoderSettings) -> fedfunnel::Result<Identity> {
    let (snapshots, max_file_bytes, seed) = (&args.snapshots, args.max_file_bytes, args.seed);
    let settings = Settings { snapshots, max_file_bytes, seed, autoencoder };
    let own = Identity::new("autoencoder train", &settings::to_toml(&settings)?);
    own.with_model(&args.model)?.with_file("--snapshots", &args.snapshots)
}

/// The settings that the arguments ask for.
fn settings_of(args: &TrainArgs) -> fedfunnel::Result<AutoencoderSettings> {
    Ok(AutoencoderSettings {
        model: args.model.clone(),
        latent: args.latent,
        hidden: args.hidden.clone(),
        space: args.space,
        epochs: args.epochs,
        look_every: Some(args.eval_every),
        hold_out: args.hold_out,
        batch: args.batch,
        optimizer: optimizer(args)?,
        layer_rates: args.layer_rates.clone(),
    })
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
