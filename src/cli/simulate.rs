//! `fedfunnel simulate` and `fedfunnel demo`

use super::Common;
use super::options::{DataDirOption, DeviceOptions};
use super::shell::quoted;
use clap::Args;
use fedfunnel::federation::{PRINTED, SUMMARY, SimulationSpec, Summary, check, leave, simulate, tell};
use fedfunnel::report::{self, Report, slug, text_table};
use fedfunnel::run::{self, Found, Run, check_folder};
use fedfunnel::{Error, files};
use std::path::{Path, PathBuf};

pub const DEMO_EXAMPLES: &str = "Examples:
  fedfunnel demo                        then open fedfunnel-demo/report.html
  fedfunnel demo --set rounds=3 --set autoencoder.latent=8 --out small";

pub const EXAMPLES: &str = "Examples:
  fedfunnel simulate mnist --out sim    the paper's federation (first: fedfunnel data fetch mnist)
  fedfunnel simulate demo --set collaborators=5 --set 'partition={kind=\"dirichlet\",alpha=0.5}'
  fedfunnel simulate demo --set 'codecs=[\"raw\",\"autoencoder\",\"pca\"]' --out three
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
    /// demo, mnist, or the path of a spec
    name: String,
    /// Set a field of the spec, such as optimizer.lr=3e-4 (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Folder for the report and the figures [default: fedfunnel-NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the spec with all settings applied, and run nothing
    #[arg(long)]
    print_config: bool,
    #[command(flatten)]
    place: Place,
}

/// How it runs, where, and where its data lie.
#[derive(Args, Debug)]
struct Place {
    /// Go on with a run that was left in the middle
    #[arg(long)]
    resume: bool,
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
    run_spec((common, &args.place), &spec, &args.out, &command("demo", &args.set, &args.out))
}

/// Runs a simulation.
pub fn run(common: &Common, args: &SimulateArgs) -> anyhow::Result<()> {
    let spec = SimulationSpec::load(&args.name, &args.set)?;
    if args.print_config {
        return super::say(spec.to_toml()?.trim_end());
    }
    let out = args.out.clone().unwrap_or_else(|| format!("fedfunnel-{}", slug(&spec.name)).into());
    let verb = format!("simulate {}", quoted(&args.name));
    run_spec((common, &args.place), &spec, &out, &command(&verb, &args.set, &out))
}

/// The command line that repeats a run.
fn command(verb: &str, settings: &[String], out: &Path) -> String {
    let set: String = settings.iter().map(|s| format!(" --set {}", quoted(s))).collect();
    format!("fedfunnel {verb}{set} --out {}", quoted(&out.display().to_string()))
}

fn run_spec(
    (common, place): (&Common, &Place),
    spec: &SimulationSpec,
    out: &Path,
    command: &str,
) -> anyhow::Result<()> {
    let config = spec.to_toml()?;
    // What can be refused is refused before the device is opened, let alone a round is run.
    check_folder(out, &config, place.resume)?;
    if place.resume && Found::look(out) == Found::Finished {
        place.device.refuse_timing("the run is finished")?;
        return print(&report::load(out)?, out, place.json);
    }
    let data_dir = place.data_dir.resolve()?;
    check(spec, &data_dir)?;
    let gpu = place.device.open()?;
    if !common.quiet && !place.json {
        super::whisper(&format!("{} on {} ({})", spec.name, gpu.adapter.name, gpu.adapter.driver));
    }
    let mut bars = common.bars_of(&gpu);
    bars.stop_on_signals()?;
    let at = run::Place { gpu: Some(&gpu), data_dir: &data_dir, folder: out, command };
    let mut run = Run::open(at, &config, &mut bars)?;
    let outcome = match simulate(&mut run, spec) {
        Ok(outcome) => outcome,
        Err(error) => return Err(stopped(error, command)),
    };
    leave(&mut run, &outcome, &Summary::of(&outcome, &gpu.adapter))?;
    let report = tell(&run, &outcome)?;
    run.finish(&report)?;
    place.device.save_trace(&gpu)?;
    print(&report, out, place.json)?;
    place.device.print_profile(&gpu, place.json)
}

/// Says how to go on with what was stopped.
pub fn stopped(error: Error, command: &str) -> anyhow::Error {
    if let Error::Stopped { .. } = error {
        super::whisper(&format!("go on with: {command} --resume"));
    }
    error.into()
}

fn print(report: &Report, out: &Path, json: bool) -> anyhow::Result<()> {
    if json {
        return super::say(files::read_text(&out.join(SUMMARY))?.trim_end());
    }
    for table in report.tables.iter().filter(|table| PRINTED.contains(&table.id.as_str())) {
        super::say(&text_table(table))?;
    }
    for (name, value) in report.facts.iter().filter(|(name, _)| name == "Wall time") {
        super::say(&format!("{}: {value}", name.to_lowercase()))?;
    }
    super::say(&out.join("report.html").display().to_string())
}
