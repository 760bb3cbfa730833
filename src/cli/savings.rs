//! `fedfunnel savings`

use super::shell::quoted;
use super::stdout::{print_json, say};
use clap::Args;
use fedfunnel::codec::DecoderPart;
use fedfunnel::report::{html, svg_file, text_plot};
use fedfunnel::savings::{Counting, Decoders, Savings, exact_decoder, half_autoencoder};
use fedfunnel::story::savings::{Over, savings_answer, savings_plot, savings_report};
use fedfunnel::{Error, files};
use serde::Serialize;
use std::path::PathBuf;

pub const EXAMPLES: &str = "Examples:
  fedfunnel savings --parameters 15910 --latent 32 --rounds 10 --collaborators 2
  fedfunnel savings --parameters 550570 --latent 320 --rounds 40 --collaborators 2
  fedfunnel savings --parameters 550570 --latent 320 --rounds 40 --collaborators 2 --snapshots 16
  fedfunnel savings --parameters 550570 --latent 320 --rounds 8 --collaborators 1000 \\
      --decoders shared --target-ratio 120 --over collaborators
  fedfunnel savings --parameters 550570 --latent 320 --rounds 40 --collaborators 2 --paper --json

The first is fedfunnel simulate mnist: decoders pay for themselves after 34.07 rounds, as its ledger
says. The second is the run that the paper made: its ratio is 0.124, since the decoders cost eight
times what compression saves in 40 rounds. They pay for themselves after 322.2, in factors of 16
snapshots after 16.0. The last counts as the paper does: 0.125, and 320.7 rounds.

What is counted are messages as fedfunnel simulate sends them: a decoder's parameters with the P
means and the scale that make weights of its outputs, and a header of three bytes for each message,
as up to 128 collaborators and 127 rounds have it without checksums.

--json prints the settings, and
  counting                  messages, small_space with its snapshots, or paper
  decoders_shipped          N
  decoder                   parts (each a name and its floats) and the sums of them: floats,
                            payload_bytes, header_bytes (0 with --paper), message_bytes
  update_message_bytes      of weights as they are
  code_message_bytes        of a code
  uplink_ratio, both_ways_ratio
  break_even_rounds, break_even_collaborators, rounds_for_target
                            null where it never does, or nothing was asked for";

/// Arguments of `savings`.
#[derive(Args, Debug)]
pub struct SavingsArgs {
    /// Parameters of the model (P)
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    parameters: u64,
    /// Floats of a code (Z)
    #[arg(long, value_name = "Z", allow_negative_numbers = true)]
    latent: u64,
    /// Parameters of a decoder (D), without means and scale [default: Z*P + P, one dense layer; with
    /// --paper half of the autoencoder]
    #[arg(long, value_name = "D", allow_negative_numbers = true)]
    decoder_parameters: Option<u64>,
    /// Snapshots that each autoencoder is trained on in the small space, by Adam: decoders are shipped
    /// in factors where those are fewer bytes
    #[arg(long, value_name = "S", allow_negative_numbers = true, conflicts_with = "decoder_parameters")]
    snapshots: Option<u32>,
    /// Count as the paper does: D alone, no means, no scale and no headers
    #[arg(long, conflicts_with = "snapshots")]
    paper: bool,
    /// Rounds (R)
    #[arg(long, value_name = "R", allow_negative_numbers = true)]
    rounds: u64,
    /// Collaborators (C)
    #[arg(long, value_name = "C", allow_negative_numbers = true)]
    collaborators: u64,
    /// Decoders sent to the aggregator: one for all, one for each collaborator, or so many
    #[arg(long, default_value = "each", value_name = "shared|each|N")]
    decoders: Decoders,
    /// Say how many rounds it takes until the uplink is so many times smaller
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    target_ratio: Option<f64>,
    /// What runs along the plot on the terminal and in --svg
    #[arg(long, default_value = "rounds", value_parser = ["rounds", "collaborators"])]
    over: String,
    /// Write a page with plots; - for standard output
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the plot; - for standard output
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print JSON, and no plot
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    savings: Savings,
    decoders_shipped: u64,
    decoder: DecoderAnswer,
    update_message_bytes: u64,
    code_message_bytes: u64,
    target_ratio: Option<f64>,
    uplink_ratio: f64,
    both_ways_ratio: f64,
    break_even_rounds: Option<f64>,
    break_even_collaborators: Option<f64>,
    rounds_for_target: Option<f64>,
}

/// A decoder as it is counted.
#[derive(Serialize)]
struct DecoderAnswer {
    parts: Vec<DecoderPart>,
    floats: u64,
    payload_bytes: u64,
    header_bytes: u64,
    message_bytes: u64,
}

impl DecoderAnswer {
    fn of(savings: &Savings) -> Self {
        let decoder = savings.decoder();
        Self {
            floats: decoder.floats(),
            payload_bytes: decoder.payload_bytes(),
            header_bytes: savings.header_bytes(),
            message_bytes: savings.decoder_message_bytes(),
            parts: decoder.parts,
        }
    }
}

/// Prints what compression saves.
pub fn run(args: &SavingsArgs) -> anyhow::Result<()> {
    let too_many = || {
        Error::setting("--latent", "a decoder of Z*P + P parameters cannot be counted", "use smaller numbers")
    };
    let counting = match args.snapshots {
        _ if args.paper => Counting::Paper,
        Some(snapshots) => Counting::SmallSpace { snapshots },
        None => Counting::Messages,
    };
    let by_default = if args.paper { half_autoencoder } else { exact_decoder };
    let decoder_parameters = match args.decoder_parameters {
        Some(given) => given,
        None => by_default(args.parameters, args.latent).ok_or_else(too_many)?,
    };
    let savings = Savings {
        parameters: args.parameters,
        latent: args.latent,
        decoder_parameters,
        rounds: args.rounds,
        collaborators: args.collaborators,
        decoders: args.decoders,
        counting,
    };
    savings.check(|field| format!("--{}", field.replace('_', "-")))?;
    let target = args.target_ratio;
    if let Some(target) = target.filter(|target| !(target.is_finite() && *target > 0.0)) {
        let problem = format!("{target} is no ratio to reach");
        return Err(Error::setting("--target-ratio", problem, "use a number above 0, such as 120").into());
    }
    let over = if args.over == "rounds" { Over::Rounds } else { Over::Collaborators };
    for (option, path) in [("--html", &args.html), ("--svg", &args.svg)] {
        path.as_ref().map_or(Ok(()), |path| files::check_output_file(option, path))?;
    }
    let plot = savings_plot(&savings, over, target);
    if let Some(path) = &args.html {
        let page = html(&savings_report(&savings, target, &command(&savings, target, path))?)?;
        files::write_atomic(path, page.as_bytes())?;
    }
    if let Some(path) = &args.svg {
        files::write_atomic(path, svg_file(&plot)?.as_bytes())?;
    }
    if args.json {
        return print_json(&Answer {
            savings,
            decoders_shipped: savings.shipped(),
            decoder: DecoderAnswer::of(&savings),
            update_message_bytes: savings.message_bytes(savings.parameters),
            code_message_bytes: savings.message_bytes(savings.latent),
            target_ratio: target,
            uplink_ratio: savings.uplink_ratio(),
            both_ways_ratio: savings.both_ways_ratio(),
            break_even_rounds: savings.break_even_rounds(),
            break_even_collaborators: savings.break_even_collaborators(),
            rounds_for_target: target.and_then(|target| savings.rounds_for(target)),
        });
    }
    for sentence in savings_answer(&savings, target) {
        say(&sentence)?;
    }
    say("")?;
    say(text_plot(&plot).trim_end())?;
    let written = args.html.iter().chain(&args.svg);
    for path in written.filter(|path| !files::is_standard_output(path)) {
        say(&path.display().to_string())?;
    }
    Ok(())
}

/// The command line that repeats it.
fn command(savings: &Savings, target: Option<f64>, path: &std::path::Path) -> String {
    let Savings { parameters, latent, decoder_parameters, rounds, collaborators, decoders, counting } =
        savings;
    let decoder = match counting {
        Counting::Paper => format!("--paper --decoder-parameters {decoder_parameters}"),
        Counting::Messages => format!("--decoder-parameters {decoder_parameters}"),
        Counting::SmallSpace { snapshots } => format!("--snapshots {snapshots}"),
    };
    let target = target.map_or(String::new(), |target| format!(" --target-ratio {target}"));
    format!(
        "fedfunnel savings --parameters {parameters} --latent {latent} {decoder} --rounds {rounds} \
         --collaborators {collaborators} --decoders {decoders}{target} --html {}",
        quoted(&path.display().to_string())
    )
}
