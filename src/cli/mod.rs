//! One file for each verb.

mod against;
mod autoencoder;
mod bars;
mod bench;
mod codecs;
mod coding;
mod common;
mod compare;
mod completions;
mod data;
mod decode;
mod devices;
mod encode;
mod experiment;
mod export;
mod follow;
mod found_run;
mod inspect;
mod man;
mod memory;
mod new;
mod not_text;
mod options;
mod partition;
mod report;
mod runs;
mod savings;
mod shell;
mod signals;
mod simulate;
mod start;
mod stdout;
mod strategies;
mod train;
mod version;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use common::{Common, started};
use std::process::ExitCode;
use stdout::whisper;

/// Federated learning with learned update compression, on any GPU.
#[derive(Parser, Debug)]
#[command(version, about, max_term_width = 100, propagate_version = true, after_help = EXAMPLES)]
#[command(long_version = version::long())]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "Examples:
  fedfunnel demo                        two collaborators learn MNIST, sending 32 floats each
  fedfunnel new mine                    a federation of your own to start from
  fedfunnel devices                     the adapters of this machine
  fedfunnel data fetch mnist            the whole of MNIST
  fedfunnel train mnist-mlp --data mnist --epochs 10 --snapshots 100 --out run
  fedfunnel train cifar10-vgg3 --data cifar10-sample --optimizer sgd --lr 0.01 \\
      --standardize --out run
  fedfunnel autoencoder train --snapshots run/snapshots.safetensors --model ae-mnist --out ae
  fedfunnel simulate mnist --out sim    the paper's federation on the whole of MNIST
  fedfunnel compare --codecs 'delta+feedback+topk,delta+feedback+ternary' --data mnist-sample \\
      --ratio 400
  fedfunnel experiment list             the figures of the paper, one command each
  fedfunnel runs                        what the runs in this folder came to
  fedfunnel bench                       how fast all of that is here";

#[derive(Subcommand, Debug)]
enum Verb {
    /// Run a small federation on the embedded sample, raw and compressed, and write a report
    #[command(after_help = simulate::DEMO_EXAMPLES)]
    Demo(simulate::DemoArgs),
    /// Write a folder to start from: the spec of a federation, a model, and what to run
    #[command(after_help = new::EXAMPLES)]
    New(new::NewArgs),
    /// List the adapters of this machine
    #[command(after_help = devices::EXAMPLES)]
    Devices(devices::DevicesArgs),
    /// Data sets: fetch, list, and deal out
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
    /// Write the model that a federation of a simulation came to
    #[command(after_help = export::EXAMPLES)]
    Export(export::ExportArgs),
    /// Make the report of a run again, or one of several runs
    #[command(after_help = report::EXAMPLES)]
    Report(report::ReportArgs),
    /// List the runs in a folder, with what they came to
    #[command(after_help = runs::EXAMPLES)]
    Runs(runs::RunsArgs),
    /// Say what a file or the folder of a run holds
    #[command(after_help = inspect::EXAMPLES)]
    Inspect(inspect::InspectArgs),
    /// Run codecs side by side, in the same bytes, over several seeds
    #[command(after_help = compare::EXAMPLES)]
    Compare(compare::CompareArgs),
    /// The stages that codecs are made of, with their options and where they are from
    #[command(after_help = codecs::EXAMPLES)]
    Codecs(codecs::CodecsArgs),
    /// What aggregators can do with updates, with options and where it is from
    #[command(after_help = strategies::EXAMPLES)]
    Strategies(strategies::StrategiesArgs),
    /// Encode weights into the message that a codec makes of them
    #[command(after_help = encode::EXAMPLES)]
    Encode(encode::EncodeArgs),
    /// Decode such a message into the weights that arrive
    #[command(after_help = decode::EXAMPLES)]
    Decode(decode::DecodeArgs),
    /// Time what the program does on an adapter: kernels, steps, whole rounds
    #[command(after_help = bench::EXAMPLES)]
    Bench(bench::BenchArgs),
    /// What compressed updates save, decoders counted, by formula
    #[command(after_help = savings::EXAMPLES)]
    Savings(savings::SavingsArgs),
    /// Print the script by which a shell completes arguments
    #[command(after_help = completions::EXAMPLES)]
    Completions(completions::CompletionsArgs),
    /// Write manual pages, one for each verb
    #[command(after_help = man::EXAMPLES)]
    Man(man::ManArgs),
}

/// Runs the command line.
pub fn main() -> ExitCode {
    started();
    let parsed = Cli::command().try_get_matches().and_then(|arguments| {
        let cli = Cli::from_arg_matches(&arguments)?;
        Ok((cli, arguments))
    });
    let done = match &parsed {
        Ok((cli, arguments)) => stdout::claim(arguments).map_err(Into::into).and_then(|()| run(cli)),
        Err(answer) if is_asked_for(answer) => {
            let code = ExitCode::from(answer.exit_code() as u8);
            match stdout::print_help(answer) {
                Ok(()) => return code,
                failed => failed,
            }
        }
        Err(wrong) => return refuse_arguments(wrong),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report_failure(&error),
    }
}

/// Says what went wrong in one line.
fn report_failure(error: &anyhow::Error) -> ExitCode {
    // Our own errors are whole sentences; those of others need what is behind them.
    let (text, usage) = match error.downcast_ref::<fedfunnel::Error>() {
        Some(own) => (own.to_string(), own.is_usage()),
        None => (format!("{error:#}"), false),
    };
    whisper(&format!("error: {}", text.replace(['\n', '\r'], " ")));
    ExitCode::from(match error.downcast_ref() {
        Some(fedfunnel::Error::Stopped { .. }) => signals::exit_code(),
        _ if usage => 2,
        _ => 1,
    })
}

/// Whether the answer is help or the version, not an error.
fn is_asked_for(answer: &clap::Error) -> bool {
    use clap::error::ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    matches!(answer.kind(), DisplayHelp | DisplayVersion | DisplayHelpOnMissingArgumentOrSubcommand)
}

/// Says in one line what is wrong with the arguments.
fn refuse_arguments(wrong: &clap::Error) -> ExitCode {
    if let Some(sentence) = not_text::sentence(wrong) {
        whisper(&sentence);
        return ExitCode::from(2);
    }
    let text = wrong.render().to_string();
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
        Verb::New(args) => new::run(args),
        Verb::Devices(args) => devices::run(args),
        Verb::Data(verb) => data::run(common, verb),
        Verb::Train(args) => train::run(common, args),
        Verb::Autoencoder(verb) => autoencoder::run(common, verb),
        Verb::Simulate(args) => simulate::run(common, args),
        Verb::Experiment(args) => experiment::run(common, args),
        Verb::Export(args) => export::run(args),
        Verb::Report(args) => report::run(args),
        Verb::Runs(args) => runs::run(args),
        Verb::Inspect(args) => inspect::run(args),
        Verb::Compare(args) => compare::run(common, args),
        Verb::Codecs(args) => codecs::run(args),
        Verb::Strategies(args) => strategies::run(args),
        Verb::Encode(args) => encode::run(args),
        Verb::Decode(args) => decode::run(args),
        Verb::Bench(args) => bench::run(common, args),
        Verb::Savings(args) => savings::run(args),
        Verb::Completions(args) => completions::run(args, Cli::command()),
        Verb::Man(args) => man::run(args, Cli::command()),
    }
}

#[cfg(test)]
#[path = "documents_tests.rs"]
mod documents_tests;
