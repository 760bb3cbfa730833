//! `fedfunnel simulate` and `fedfunnel demo`

use super::Common;
use super::options::{DataDirOption, DeviceOptions};
use super::shell::quoted;
use clap::Args;
use fedfunnel::federation::{Outcome, SimulationSpec, Summary, check, simulate, tell};
use fedfunnel::files;
use fedfunnel::report::tensorboard::Events;
use fedfunnel::report::{self, JsonLines, Report, Table, format, slug, text_table};
use std::path::{Path, PathBuf};

pub const DEMO_EXAMPLES: &str = "Examples:
  fedfunnel demo                        then open fedfunnel-demo/report.html
  fedfunnel demo --set rounds=3 --set autoencoder.latent=8 --out small";

pub const EXAMPLES: &str = "Examples:
  fedfunnel simulate mnist --out sim    the paper's federation (first: fedfunnel data fetch mnist)
  fedfunnel simulate demo --set collaborators=5 --set 'partition={kind=\"dirichlet\",alpha=0.5}'
  fedfunnel simulate demo --print-config > mine.toml   then edit it: fedfunnel simulate mine.toml";

/// Arguments of `demo`.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// Folder for the report and the figures
    #[arg(long, value_name = "DIR", default_value = "fedfunnel-demo")]
    out: PathBuf,
    /// Set a field of the demo's spec, such as rounds=5 (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print summary.json
    #[arg(long)]
    json: bool,
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
    /// Print summary.json
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Where it runs, and where its data lie.
#[derive(Args, Debug)]
struct Place {
    #[command(flatten)]
    data_dir: DataDirOption,
    #[command(flatten)]
    device: DeviceOptions,
}

/// Runs the demo.
pub fn demo(common: &Common, args: &DemoArgs) -> anyhow::Result<()> {
    let spec = SimulationSpec::load("demo", &args.set)?;
    run_spec((common, &args.place), &spec, &args.out, &command("demo", &args.set, &args.out), args.json)
}

/// Runs a simulation.
pub fn run(common: &Common, args: &SimulateArgs) -> anyhow::Result<()> {
    let spec = SimulationSpec::load(&args.name, &args.set)?;
    if args.print_config {
        return super::say(spec.to_toml()?.trim_end());
    }
    let out = args.out.clone().unwrap_or_else(|| format!("fedfunnel-{}", slug(&spec.name)).into());
    let verb = format!("simulate {}", quoted(&args.name));
    run_spec((common, &args.place), &spec, &out, &command(&verb, &args.set, &out), args.json)
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
    json: bool,
) -> anyhow::Result<()> {
    let data_dir = place.data_dir.resolve()?;
    // What can be refused is refused before the device is opened, let alone a round is run.
    files::check_output_folder("--out", out)?;
    check(spec, &data_dir)?;
    let gpu = place.device.open()?;
    if !common.quiet && !json {
        super::whisper(&format!("{} on {} ({})", spec.name, gpu.adapter.name, gpu.adapter.driver));
    }
    let outcome = simulate(&gpu, spec, &data_dir, &mut common.bars_of(&gpu))?;
    let summary = Summary::of(&outcome, &gpu.adapter);
    let report = tell(&outcome, &summary, command)?;
    write(out, &outcome, &summary, &report)?;
    if json {
        super::print_json(&summary)?;
    } else {
        super::say(&text_table(&closing_table(&summary)))?;
        super::say(&out.join("report.html").display().to_string())?;
    }
    place.device.close(&gpu, json)
}

fn write(out: &Path, outcome: &Outcome, summary: &Summary, report: &Report) -> anyhow::Result<()> {
    let mut metrics = JsonLines::create(out.join("metrics.jsonl"))?;
    for round in outcome.raw.iter().chain(&outcome.compressed) {
        metrics.push(round)?;
    }
    for (collaborator, curve) in outcome.curves.iter().enumerate() {
        for point in curve {
            metrics.push(
                &serde_json::json!({ "run": "autoencoder", "collaborator": collaborator, "point": point }),
            )?;
        }
    }
    metrics.finish()?;
    outcome.ledger.save(&out.join("ledger.csv"))?;
    files::write_atomic(&out.join("config.toml"), report.configuration.as_bytes())?;
    files::write_atomic(&out.join("summary.json"), &serde_json::to_vec_pretty(summary)?)?;
    let mut events = Events::default();
    events.curves(report);
    let last = u64::from(outcome.spec.rounds);
    let [raw, compressed] = &outcome.models;
    events.histogram("weights/raw", last, raw.iter().copied());
    events.histogram("weights/compressed", last, compressed.iter().copied());
    let errors = compressed.iter().zip(raw).map(|(compressed, raw)| compressed - raw);
    events.histogram("weights/compressed minus raw", last, errors);
    events.save(out)?;
    report::save(report, out)?;
    Ok(())
}

fn closing_table(summary: &Summary) -> Table {
    let mut table = Table::new("summary", "Result", &["", "raw", "compressed"]);
    table.push([
        "accuracy".into(),
        format::percent(summary.raw.final_accuracy),
        format::percent(summary.compressed.final_accuracy),
    ]);
    table.push([
        "bytes per update".to_string(),
        format::bytes(summary.message_bytes.raw),
        format::bytes(summary.message_bytes.compressed),
    ]);
    table.push(["ratio per message".into(), "1x".into(), format::ratio(summary.ratio_per_message)]);
    table.push([
        "bytes from collaborators".to_string(),
        format::count(summary.raw.bytes_up),
        format::count(summary.compressed.bytes_up),
    ]);
    table.push([
        "savings ratio, decoders counted".into(),
        "1".into(),
        format!("{:.3}", summary.savings_ratio),
    ]);
    table.push([
        "mean of the snapshots, no rounds".to_string(),
        "-".into(),
        format::percent(summary.mean_of_snapshots_accuracy),
    ]);
    let time = format::duration(std::time::Duration::from_secs_f64(summary.seconds));
    table.push(["time".into(), "-".into(), time]);
    table
}
