//! `fedfunnel simulate` and `fedfunnel demo`

use super::common::Common;
use super::options::{DataDirOption, DeviceOptions};
use super::start::{CommandLine, StartOptions, run_to_end};
use super::stdout::{say, whisper};
use clap::Args;
use fedfunnel::federation::{
    Parts, SUMMARY, SimulationSpec, Summary, check, simulate, write_models, write_summary,
};
use fedfunnel::files;
use fedfunnel::report::{self, Report, slug, text_table};
use fedfunnel::run::{self, Identity, RunFolder, is_finished};
use fedfunnel::story::{PRINTED, simulation_report};
use std::path::{Path, PathBuf};

pub const DEMO_EXAMPLES: &str = "Examples:
  fedfunnel demo                        then open fedfunnel-demo/report.html
  fedfunnel demo --set rounds=3 --set autoencoder.latent=8 --out small";

pub const EXAMPLES: &str = "Examples:
  fedfunnel simulate mnist --out sim    the paper's federation (first: fedfunnel data fetch mnist)
  fedfunnel simulate demo --set collaborators=5 --set 'partition={kind=\"dirichlet\",alpha=0.5}'
  fedfunnel simulate demo --set 'codecs=[\"raw\",\"autoencoder\",\"pca\"]' --out three
  fedfunnel simulate demo --set 'codecs=[\"raw\",[\"delta\",\"feedback\",{stage=\"topk\",part=0.01}]]' \\
      --set strategy=fedavgm
  fedfunnel simulate demo --set collaborators=10 --set 'clock={}' \\
      --set 'asynchrony={kind=\"fedbuff\"}'   nobody waits for all: accuracy over simulated time
  fedfunnel simulate thousand --out many   a thousand collaborators, 50 of them in a round
  fedfunnel simulate mnist --set collaborators=1000 --set 'participation={per_round=50}' \\
      --set rounds=100 --set 'codecs=[\"raw\",{stage=\"stc\",part=0.01}]' --stop-at-accuracy 0.9
  fedfunnel simulate demo --set collaborators=10 --set 'faults={breaks_off=0.1,late=0.1}' \\
      --set 'attack={kind=\"sign-flip\",part=0.2}' --set strategy=fedmedian
  fedfunnel simulate demo --print-config > mine.toml   then edit it: fedfunnel simulate mine.toml
  fedfunnel simulate mnist --out sim --resume   go on with what Ctrl-C, or worse, has cut short

Ctrl-C finishes the epoch or the round, saves, and says how to go on.";

/// Arguments of `demo`.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// Folder for the report and the figures
    #[arg(long, value_name = "DIR", default_value = "fedfunnel-demo")]
    out: PathBuf,
    /// Set a field of the demo's spec, such as rounds=5 (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    place: Place,
}

/// Arguments of `simulate`.
#[derive(Args, Debug)]
pub struct SimulateArgs {
    /// demo, mnist, thousand, thousand-cifar10, fedpm-mnist, fedpm-cifar10, frl-mnist, seeds-mnist, or the path of a
    /// spec
    name: String,
    /// Set a field of the spec, such as optimizer.lr=3e-4 (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// End each federation when its global model comes to this accuracy, such as 0.9
    #[arg(long, value_name = "PART")]
    stop_at_accuracy: Option<f64>,
    /// End each federation when its global model has not become better in so many rounds
    #[arg(long, value_name = "ROUNDS")]
    patience: Option<u32>,
    /// Folder for the report and the figures [default: fedfunnel-NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the spec with all settings applied, and run nothing
    #[arg(long)]
    print_config: bool,
    #[command(flatten)]
    place: Place,
}

impl SimulateArgs {
    /// All settings, those of options of their own last.
    fn settings(&self) -> Vec<String> {
        let stop = self.stop_at_accuracy.map(|accuracy| format!("stop_at_accuracy={accuracy:?}"));
        let patience = self.patience.map(|rounds| format!("patience={rounds}"));
        self.set.iter().cloned().chain(stop).chain(patience).collect()
    }
}

/// How it runs, where, and where its data lie.
#[derive(Args, Debug)]
struct Place {
    #[command(flatten)]
    start: StartOptions,
    /// Print summary.json
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data_dir: DataDirOption,
    #[command(flatten)]
    device: DeviceOptions,
}

/// Runs the demo.
pub fn demo(common: &Common, args: &DemoArgs) -> anyhow::Result<()> {
    let spec = SimulationSpec::load("demo", &args.set)?;
    let command = CommandLine::new(&["demo"]).settings(&args.set);
    run_spec(common, &args.place, &spec, &args.out, command)
}

/// Runs a simulation.
pub fn run(common: &Common, args: &SimulateArgs) -> anyhow::Result<()> {
    let settings = args.settings();
    let spec = SimulationSpec::load(&args.name, &settings)?;
    if args.print_config {
        return say(spec.to_toml()?.trim_end());
    }
    let out = args.out.clone().unwrap_or_else(|| format!("fedfunnel-{}", slug(&spec.name)).into());
    let command = CommandLine::new(&["simulate", &args.name]).settings(&settings);
    run_spec(common, &args.place, &spec, &out, command)
}

fn run_spec(
    common: &Common,
    place: &Place,
    spec: &SimulationSpec,
    out: &Path,
    command: CommandLine,
) -> anyhow::Result<()> {
    let command = command.place(&place.data_dir, &place.device).out(out);
    // What can be refused is refused before the device is opened, let alone a round is run.
    files::check_output_folder("--out", out)?;
    let data_dir = place.data_dir.resolve()?;
    check(spec, &Parts::default(), &data_dir)?;
    let identity =
        spec.identify(Identity::new("simulate", &spec.to_toml()?), &Parts::default(), &data_dir)?;
    let start = place.start.start();
    if is_finished(out, &identity, start)? {
        place.device.refuse_timing("the run is finished")?;
        return print(&report::load(out)?, out, place.json);
    }
    let gpu = place.device.open()?;
    if !common.quiet && !place.json {
        whisper(&format!("{} on {} ({})", spec.name, gpu.adapter.name, gpu.adapter.driver));
    }
    let folder = RunFolder::open(out, identity, start)?;
    let at = run::Place { gpu: Some(&gpu), data_dir: Some(&data_dir), folder, command: command.as_str() };
    let report = run_to_end(at, common.bars_of(&gpu), |run| {
        let outcome = simulate(run, spec, &Parts::default())?;
        write_summary(run, &outcome, &Summary::of(&outcome, &gpu.adapter))?;
        write_models(run, &outcome)?;
        let report = simulation_report(run, &outcome)?;
        run.write_report(&report).map(|()| report)
    })?;
    place.device.save_trace(&gpu)?;
    print(&report, out, place.json)?;
    place.device.print_profile(&gpu, place.json)
}

fn print(report: &Report, out: &Path, json: bool) -> anyhow::Result<()> {
    if json {
        return say(files::read_text(&out.join(SUMMARY))?.trim_end());
    }
    for table in report.tables.iter().filter(|table| PRINTED.contains(&table.id.as_str())) {
        say(&text_table(table))?;
    }
    for (name, value) in report.facts.iter().filter(|(name, _)| name == "Wall time") {
        say(&format!("{}: {value}", name.to_lowercase()))?;
    }
    say(&out.join(report::PAGE).display().to_string())
}
