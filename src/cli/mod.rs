//! One file for each verb.

mod autoencoder;
mod bars;
mod bench;
mod data;
mod devices;
mod experiment;
mod memory;
mod not_text;
mod options;
mod report;
mod savings;
mod shell;
mod simulate;
mod train;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use fedfunnel::gpu::Gpu;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Instant;

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
  fedfunnel train cifar10-vgg3 --data cifar10-sample --optimizer sgd --lr 0.01 \\
      --standardize --out run
  fedfunnel autoencoder train --snapshots run/snapshots.safetensors --model ae-mnist --out ae
  fedfunnel simulate mnist --out sim    the paper's federation on the whole of MNIST
  fedfunnel experiment list             the figures of the paper, one command each
  fedfunnel bench                       how fast all of that is here";

/// What every verb understands.
#[derive(Args, Debug)]
struct Common {
    /// Print results only, no progress
    #[arg(long, short, global = true, display_order = 100)]
    quiet: bool,
}

impl Common {
    fn bars(&self) -> bars::Bars {
        bars::Bars::new(self.quiet)
    }

    /// Those of work on this device, whose trace they go into as well.
    fn bars_of(&self, gpu: &Gpu) -> bars::Bars {
        self.bars().tracing(gpu.trace())
    }
}

/// When the program began.
static STARTED: OnceLock<Instant> = OnceLock::new();

fn started() -> Instant {
    *STARTED.get_or_init(Instant::now)
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Run a small federation on the embedded sample, raw and compressed, and write a report
    #[command(after_help = simulate::DEMO_EXAMPLES)]
    Demo(simulate::DemoArgs),
    /// List the adapters of this machine
    #[command(after_help = devices::EXAMPLES)]
    Devices(devices::DevicesArgs),
    /// Data sets: fetch and list
    #[command(subcommand, after_help = data::EXAMPLES)]
    Data(data::DataVerb),
    /// Train a classifier
    #[command(after_help = train::EXAMPLES)]
    Train(train::TrainArgs),
    /// Train and evaluate autoencoders on weight snapshots
    #[command(subcommand, after_help = autoencoder::EXAMPLES)]
    Autoencoder(autoencoder::AutoencoderVerb),
    /// Simulate federated rounds with compressed updates beside raw ones
    #[command(after_help = simulate::EXAMPLES)]
    Simulate(simulate::SimulateArgs),
    /// Reproduce a figure of the paper, with a report that sets ours beside it
    #[command(after_help = experiment::EXAMPLES)]
    Experiment(experiment::ExperimentArgs),
    /// Make the report of a run again, or one of several runs
    #[command(after_help = report::EXAMPLES)]
    Report(report::ReportArgs),
    /// Time what the program does on an adapter: kernels, steps, whole rounds
    #[command(after_help = bench::EXAMPLES)]
    Bench(bench::BenchArgs),
    /// What compressed updates save, decoders counted, by formula
    #[command(after_help = savings::EXAMPLES)]
    Savings(savings::SavingsArgs),
}

/// Runs the command line.
pub fn main() -> ExitCode {
    started();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => return answer_arguments(&answer),
    };
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Our own errors are whole sentences; those of others need what is behind them.
            let (text, usage) = match error.downcast_ref::<fedfunnel::Error>() {
                Some(own) => (own.to_string(), own.is_usage()),
                None => (format!("{error:#}"), false),
            };
            whisper(&format!("error: {}", text.replace(['\n', '\r'], " ")));
            ExitCode::from(match error.downcast_ref() {
                // As a shell reports what a signal ended.
                Some(fedfunnel::Error::Stopped { .. }) => 130,
                _ if usage => 2,
                _ => 1,
            })
        }
    }
}

/// Help and version as they are; what is wrong with the arguments in one line.
fn answer_arguments(answer: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    if matches!(answer.kind(), DisplayHelp | DisplayVersion | DisplayHelpOnMissingArgumentOrSubcommand) {
        // Nobody to print to is no failure.
        let _ = answer.print();
        return ExitCode::from(answer.exit_code() as u8);
    }
    if let Some(sentence) = not_text::sentence(answer) {
        whisper(&sentence);
        return ExitCode::from(2);
    }
    let text = answer.render().to_string();
    let said = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let said: Vec<_> =
        said.filter(|line| !line.is_empty() && !line.starts_with("For more information")).collect();
    let sentence = said.join("; ").replace(":; ", ": ").replace("; tip: ", "; ");
    whisper(&format!("{sentence}; see --help"));
    ExitCode::from(2)
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    let common = &cli.common;
    match &cli.verb {
        Verb::Demo(args) => simulate::demo(common, args),
        Verb::Devices(args) => devices::run(args),
        Verb::Data(verb) => data::run(common, verb),
        Verb::Train(args) => train::run(common, args),
        Verb::Autoencoder(verb) => autoencoder::run(common, verb),
        Verb::Simulate(args) => simulate::run(common, args),
        Verb::Experiment(args) => experiment::run(common, args),
        Verb::Report(args) => report::run(args),
        Verb::Bench(args) => bench::run(common, args),
        Verb::Savings(args) => savings::run(args),
    }
}

/// Prints a line on stdout. Unlike `println!` it does not panic where stdout is closed or full.
fn say(line: &str) -> anyhow::Result<()> {
    use std::io::Write;
    writeln!(std::io::stdout(), "{line}").context("cannot write to standard output")
}

/// Prints a line on stderr, if anybody listens.
fn whisper(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Prints a value as one line of JSON.
fn say_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    say(&serde_json::to_string(value)?)
}

/// Prints a value as JSON, all of it or nothing.
fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    say(&serde_json::to_string_pretty(value)?)
}

/// Somebody read only the first lines of what we print: no fault of theirs.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
