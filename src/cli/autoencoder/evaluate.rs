//! `fedfunnel autoencoder evaluate`

use super::checks::check_width;
use crate::cli::options::{DataDirOption, DeviceOptions};
use crate::cli::stdout::{print_json, say};
use clap::Args;
use fedfunnel::autoencoder::{AutoencoderFile, SnapshotEvaluation, evaluate};
use fedfunnel::model::{ClassifierSpec, ModelSpec, WeightsOf};
use fedfunnel::report::{Column, Table, format, text_table};
use fedfunnel::training::{Evaluator, Snapshots};
use fedfunnel::{Error, data};
use std::path::PathBuf;

pub const EXAMPLES: &str = "Examples:
  fedfunnel autoencoder evaluate --autoencoder ae --snapshots run/snapshots.safetensors
  fedfunnel autoencoder evaluate --autoencoder ae/autoencoder.safetensors \\
      --snapshots run/snapshots.safetensors
  fedfunnel autoencoder evaluate --autoencoder ae/autoencoder.safetensors \\
      --snapshots run/snapshots.safetensors --data mnist --json";

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
    /// mnist, mnist-sample, fashion-mnist, cifar10, cifar10-sample (the samples are built in), or a folder; its test
    /// images are used
    #[arg(long, default_value = "mnist-sample")]
    data: String,
    /// The classifier's spec [default: the one that the snapshots are of, as their file says]
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
pub fn run(args: &EvaluateArgs) -> anyhow::Result<()> {
    let autoencoder = AutoencoderFile::open(&args.autoencoder)?;
    let snapshots = Snapshots::load(&args.snapshots)?;
    check_width(&args.snapshots, &snapshots, autoencoder.spec.inputs(), &autoencoder.spec.name)?;
    let classifier = load_classifier(args, &snapshots, &autoencoder)?;
    let data = data::load(&args.data, &args.data_dir.resolve()?)?;
    classifier.check_data(&data)?;
    let gpu = args.device.open()?;
    let images = snapshots.inputs.upload(&gpu, &data.test)?;
    let evaluator = Evaluator::new(&gpu, &classifier, &images, snapshots.len())?;
    let evaluation = evaluate(&gpu, &autoencoder, &snapshots, &evaluator)?;
    args.device.save_trace(&gpu)?;
    if args.json {
        print_json(&evaluation)?;
        return args.device.print_profile(&gpu, true);
    }
    let columns: [Column<'_, SnapshotEvaluation>; 7] = [
        ("snapshot", &|row| row.snapshot.to_string()),
        ("step", &|row| row.step.map_or("-".into(), format::count)),
        ("relative L2", &|row| format!("{:.3}", row.relative_l2)),
        ("argmax", &|row| if row.argmax_match { "same" } else { "other" }.to_string()),
        ("accuracy", &|row| format::percent(row.original_accuracy)),
        ("reconstructed", &|row| format::percent(row.reconstructed_accuracy)),
        ("mean", &|_| format::percent(evaluation.mean_accuracy)),
    ];
    let title = "Snapshots and what comes back of them";
    let table = Table::of("evaluation", title, &evaluation.snapshots, &columns);
    say(&text_table(&table))?;
    say(&format!(
        "centred relative L2 error of all: {:.3} (1 is what the mean of the training snapshots leaves)\n\
         argmax match: {} (the mean alone: {})",
        evaluation.relative_l2,
        format::percent(evaluation.argmax_match),
        format::percent(evaluation.mean_argmax_match)
    ))?;
    args.device.print_profile(&gpu, false)
}

/// The classifier that the snapshots are of: what their file says, or else what was asked for.
fn load_classifier(
    args: &EvaluateArgs,
    snapshots: &Snapshots,
    autoencoder: &AutoencoderFile,
) -> fedfunnel::Result<ClassifierSpec> {
    let own = &snapshots.model;
    if autoencoder.model.is_other_than(own) {
        let problem = format!("it was trained on weights of another {}", autoencoder.model.name);
        let mend = "use an autoencoder and snapshots of the same model";
        return Err(Error::file(&args.autoencoder, problem, mend));
    }
    let classifier = match (&args.model, &own.spec) {
        (Some(name), _) => ModelSpec::load(name)?.classifier()?,
        (None, Some(spec)) => spec.clone(),
        (None, None) => {
            let name = &own.name;
            let problem =
                format!("the file of the snapshots says that they are of {name:?}, and not what that is");
            let mend = "give its name if it is built in, or the path of its spec";
            return Err(Error::setting("--model", problem, mend));
        }
    };
    if classifier.parameters() != snapshots.width() {
        let (name, parameters) = (&classifier.name, classifier.parameters());
        let problem = format!("{name} has {parameters} parameters, the snapshots have {}", snapshots.width());
        return Err(Error::setting("--model", problem, "name the classifier that the snapshots are of"));
    }
    if own.is_other_than(&WeightsOf::from(&classifier)) {
        let problem = format!("the snapshots are of another {}", own.name);
        return Err(Error::setting("--model", problem, "leave it out: their file says what they are of"));
    }
    Ok(classifier)
}
