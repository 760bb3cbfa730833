//! `fedfunnel experiment`

use super::common::Common;
use super::options::{DataDirOption, DeviceOptions};
use super::start::{CommandLine, StartOptions, run_to_end};
use super::stdout::{print_json, say, whisper};
use clap::Args;
use fedfunnel::experiment::{Experiment, SCALES, list};
use fedfunnel::files;
use fedfunnel::report::{self, Report, Table, slug, text_table};
use fedfunnel::run::{Identity, Place, RunFolder, is_finished};
use std::path::{Path, PathBuf};

pub const EXAMPLES: &str = "Examples:
  fedfunnel experiment list                 the figures of the paper, and their names here
  fedfunnel experiment fig4-mnist-ae --scale smoke --out fig4
  fedfunnel experiment fig4-mnist-ae --scale smoke --out fig4 --resume
  fedfunnel experiment fig10-savings-single-decoder --set 'curves=[8,42]'

Ctrl-C finishes the epoch, saves, and says how to go on. smoke ends within a minute on a processor
and needs no data set; laptop within half an hour; paper is for a GPU.";

/// Arguments of `experiment`.
#[derive(Args, Debug)]
pub struct ExperimentArgs {
    /// list, the name of an experiment, or the path of a spec
    name: String,
    /// How much is done [default: laptop]
    #[arg(long, value_parser = SCALES)]
    scale: Option<String>,
    /// Folder for the report and the figures [default: fedfunnel-NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    start: StartOptions,
    /// Set a field of the spec, such as autoencoder.epochs=50 (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print the spec with the scale and all settings applied, and run nothing
    #[arg(long)]
    print_config: bool,
    /// Print report.json
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data_dir: DataDirOption,
    #[command(flatten)]
    device: DeviceOptions,
}

/// Runs an experiment, or lists them.
pub fn run(common: &Common, args: &ExperimentArgs) -> anyhow::Result<()> {
    if args.name == "list" {
        return print_list(args.json);
    }
    let experiment = Experiment::load(&args.name, args.scale.as_deref(), &args.set)?;
    let config = experiment.to_toml()?;
    if args.print_config {
        return say(config.trim_end());
    }
    let out =
        args.out.clone().unwrap_or_else(|| format!("fedfunnel-{}", slug(&experiment.header().name)).into());
    files::check_output_folder("--out", &out)?;
    let data_dir = args.data_dir.resolve()?;
    let kind = experiment.kind();
    kind.check(&data_dir)?;
    let identity = kind.identify(Identity::new("experiment", &config), &data_dir)?;
    let start = args.start.start();
    if is_finished(&out, &identity, start)? {
        args.device.refuse_timing("the run is finished")?;
        return print_report(&report::load(&out)?, &out, args.json);
    }
    let gpu = if kind.needs_device() {
        Some(args.device.open()?)
    } else {
        args.device.refuse_timing("this experiment is a formula")?;
        None
    };
    if let (Some(gpu), false) = (&gpu, common.quiet || args.json) {
        whisper(&format!("{} on {} ({})", experiment.header().name, gpu.adapter.name, gpu.adapter.driver));
    }
    let command = command(args, &out);
    let bars = common.bars().tracing(gpu.as_ref().and_then(|gpu| gpu.trace()));
    let folder = RunFolder::open(&out, identity, start)?;
    let place = Place { gpu: gpu.as_ref(), data_dir: Some(&data_dir), folder, command: command.as_str() };
    let report = run_to_end(place, bars, |run| {
        let report = Report { configuration: config, ..kind.run(run)? };
        run.write_report(&report).map(|()| report)
    })?;
    gpu.as_ref().map_or(Ok(()), |gpu| args.device.save_trace(gpu))?;
    print_report(&report, &out, args.json)?;
    gpu.map_or(Ok(()), |gpu| args.device.print_profile(&gpu, args.json))
}

fn print_report(report: &Report, out: &Path, json: bool) -> anyhow::Result<()> {
    if json {
        return say(files::read_text(&report::data(out))?.trim_end());
    }
    for paragraph in &report.answer {
        say(paragraph)?;
    }
    for table in report.tables.iter().filter(|table| table.id == "paper") {
        say("")?;
        say(&text_table(table))?;
    }
    say(&out.join(report::PAGE).display().to_string())
}

fn print_list(json: bool) -> anyhow::Result<()> {
    let all = list()?;
    if json {
        return print_json(&all);
    }
    let mut table = Table::new("experiments", "", &["name", "what it shows", "the paper's figures"]);
    for experiment in all {
        table.push([experiment.name, experiment.summary, experiment.paper]);
    }
    say(text_table(&table).trim_end())
}

/// The command line that repeats the run.
fn command(args: &ExperimentArgs, out: &Path) -> CommandLine {
    let line = CommandLine::new(&["experiment", &args.name]);
    let line = args.scale.iter().fold(line, |line, scale| line.option("--scale", scale));
    line.settings(&args.set).place(&args.data_dir, &args.device).out(out)
}
