//! One file for each verb.

mod autoencoder;
mod bars;
mod data;
mod devices;
mod simulate;
mod train;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use fedfunnel::data::DataDir;
use fedfunnel::gpu::{DeviceChoice, Gpu, GpuOptions};
use fedfunnel::report::{Table, format, text_table};
use std::path::PathBuf;
use std::process::ExitCode;

/// Federated learning with learned update compression, on any GPU.
#[derive(Parser, Debug)]
#[command(version, about, max_term_width = 100, propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "Examples:
  fedfunnel demo                        two collaborators learn MNIST, sending 32 floats each
  fedfunnel devices                     the adapters of this machine
  fedfunnel data fetch mnist            the whole of MNIST
  fedfunnel train mnist-mlp --data mnist --epochs 10 --snapshots 100 --out run
  fedfunnel autoencoder train --snapshots run/snapshots.safetensors --model ae-mnist --epochs 400 --out ae
  fedfunnel simulate mnist --out sim    the paper's federation on the whole of MNIST";

/// What every verb understands.
#[derive(Args, Debug)]
struct Common {
    /// Adapter: auto, its number or a part of its name in `fedfunnel devices`
    #[arg(long, global = true, default_value = "auto", value_name = "auto|INDEX|NAME")]
    device: DeviceChoice,
    /// Cut tensors so that no binding is larger (65536 at least; the device's own limit by default)
    #[arg(long, global = true, value_name = "BYTES")]
    max_binding_bytes: Option<u64>,
    /// Folder of data sets [default: FEDFUNNEL_DATA_DIR, or the user's data folder]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Time every kernel on the device and print a table at the end
    #[arg(long, global = true)]
    profile: bool,
    /// Compile kernels with bounds checks (slower)
    #[arg(long, global = true)]
    checked: bool,
    /// No progress bars
    #[arg(long, short, global = true)]
    quiet: bool,
}

impl Common {
    fn gpu(&self) -> fedfunnel::Result<Gpu> {
        Gpu::open(&GpuOptions {
            device: self.device.clone(),
            max_binding_bytes: self.max_binding_bytes,
            checked: self.checked,
            profile: self.profile,
        })
    }

    fn data_dir(&self) -> fedfunnel::Result<DataDir> {
        DataDir::resolve(self.data_dir.clone())
    }

    fn bars(&self) -> bars::Bars {
        bars::Bars::new(self.quiet)
    }

    /// Prints what the kernels cost, where that was asked for.
    fn print_profile(&self, gpu: &Gpu) {
        let Some(profile) = gpu.profile() else { return };
        let mut table =
            Table::new("profile", "Kernels on the device", &["kernel", "calls", "total", "mean", "share"]);
        for kernel in &profile.kernels {
            table.push([
                kernel.kernel.clone(),
                format::count(kernel.calls),
                format!("{:.3} s", kernel.total),
                format!("{:.1} us", kernel.mean * 1e6),
                format::percent(kernel.share),
            ]);
        }
        println!("{}", text_table(&table));
    }
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Run a small federation on the embedded sample, raw and compressed, and write a report
    Demo(simulate::DemoArgs),
    /// List the adapters of this machine
    Devices(devices::DevicesArgs),
    /// Data sets: fetch and list
    #[command(subcommand)]
    Data(data::DataVerb),
    /// Train a classifier
    Train(train::TrainArgs),
    /// Train and evaluate autoencoders on weight snapshots
    #[command(subcommand)]
    Autoencoder(autoencoder::AutoencoderVerb),
    /// Simulate federated rounds with compressed updates beside raw ones
    Simulate(simulate::SimulateArgs),
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            let usage = error.downcast_ref::<fedfunnel::Error>().is_some_and(fedfunnel::Error::is_usage);
            ExitCode::from(if usage { 2 } else { 1 })
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    let common = &cli.common;
    match &cli.verb {
        Verb::Demo(args) => simulate::demo(common, args),
        Verb::Devices(args) => devices::run(common, args),
        Verb::Data(verb) => data::run(common, verb),
        Verb::Train(args) => train::run(common, args),
        Verb::Autoencoder(verb) => autoencoder::run(common, verb),
        Verb::Simulate(args) => simulate::run(common, args),
    }
}

/// Prints a value as JSON.
fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value).context("cannot write to standard output")?;
    writeln!(out).context("cannot write to standard output")
}

/// Somebody read only the first lines of what we print: no fault of theirs.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
