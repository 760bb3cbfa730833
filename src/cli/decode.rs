//! `fedfunnel decode`

use super::coding::{CodecOptions, Coding, Described, blamed, lacking};
use super::options::DeviceOptions;
use super::stdout::say;
use clap::Args;
use fedfunnel::bytes::Reader;
use fedfunnel::codec::{CodecState, Kept, Message, MessageKind, Round, Side};
use fedfunnel::{Error, files};
use std::path::{Path, PathBuf};

pub const EXAMPLES: &str = "Examples:
  fedfunnel decode --codec delta+f16 --global global.safetensors --in msg.bin --out update.safetensors
  fedfunnel decode --codec 'delta+feedback+topk(part=0.01)' --global global.safetensors \\
      --in msg.bin --describe

The global model is the one that the message was encoded with; the message says of which round and
collaborator it is. Without --out nothing is written. A message by which a collaborator is set up goes
into the state.";

/// Arguments of `decode`.
#[derive(Args, Debug)]
pub struct DecodeArgs {
    #[command(flatten)]
    codec: CodecOptions,
    /// The message
    #[arg(long = "in", value_name = "FILE")]
    message: PathBuf,
    /// File for the weights that arrive (safetensors)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The round that the message has to be of
    #[arg(long, value_name = "N")]
    round: Option<u32>,
    /// The collaborator that the message has to be from
    #[arg(long, value_name = "N")]
    id: Option<u32>,
    #[command(flatten)]
    device: DeviceOptions,
}

/// Decodes a message into weights.
pub fn run(args: &DecodeArgs) -> anyhow::Result<()> {
    let options = &args.codec;
    if let Some(out) = &args.out {
        files::check_output_file("--out", out)?;
    }
    let Coding { spec, pipeline, global } = options.open()?;
    let bytes = std::fs::read(&args.message).map_err(Error::io("read", &args.message))?;
    let message = Message::from_bytes(&bytes, options.checksum).map_err(|e| damaged(&args.message, e))?;
    let (round, who) = (message.round, message.collaborator);
    for (option, due, found) in [("--round", args.round, round), ("--id", args.id, who)] {
        if due.is_some_and(|due| due != found) {
            let problem = format!("the message in {} has {found}", args.message.display());
            return Err(
                Error::setting(option, problem, "name the message that is meant, or leave it out").into()
            );
        }
    }
    let parameters = global.values.len();
    let open = |path: &PathBuf| CodecState::open(path, Side::Aggregator, &spec, parameters, options.seed);
    let mut state = options.state.as_ref().map(open).transpose()?;
    match message.kind {
        MessageKind::Update if round > 0 => {}
        MessageKind::Setup => {
            let Some(state) = &mut state else {
                let problem = "this message sets its collaborator up, and nothing says where to keep that";
                return Err(Error::setting("--state", problem, "name a file for it").into());
            };
            let installed = pipeline.install(&message.payload, state.of_mut(who, round));
            installed.map_err(|e| damaged(&args.message, blamed(e)))?;
            state.save()?;
            return say(&format!("collaborator {who} is set up"));
        }
        kind => {
            let problem = format!("it is a message of the kind {} of round {round}", kind.name());
            return Err(Error::file(&args.message, problem, "name one that fedfunnel encode wrote").into());
        }
    }
    if pipeline.is_joint() {
        let problem = format!("{} is told from the sum of all messages of a round", pipeline.label());
        return Err(
            Error::setting("--codec", problem, "use it in a simulation, or sketch in its place").into()
        );
    }
    if pipeline.keeps_arrivals() {
        let Some(state) = &state else {
            let problem = format!("{} is decoded with what came before", pipeline.label());
            return Err(Error::setting("--state", problem, "name a file for that").into());
        };
        let last = state.last_round(who);
        if round <= last {
            let problem = format!("round {last} of collaborator {who} has been decoded with this state");
            return Err(Error::setting("--state", problem, "use the state from before this message").into());
        }
    }
    let nothing = Kept::default();
    let kept = state.as_ref().map_or(&nothing, |state| state.of(who));
    let checked = pipeline.check_receivers(Some(parameters), &[kept]);
    checked.map_err(|error| lacking(options.state.as_deref(), error))?;
    let gpu = args.device.open()?;
    let view =
        Round { number: round, seed: options.seed.into(), global: &global.values, gpu: &gpu, local: None };
    let reader = Reader::new(&message.payload, "the update").described();
    let received = pipeline.take_in_from(&view, vec![(who, kept, reader.clone())]);
    let mut received = received.map_err(|e| damaged(&args.message, blamed(e)))?.swap_remove(0);
    let values = received.values.take(&gpu)?;
    args.device.save_trace(&gpu)?;
    let out = args.out.as_ref().filter(|_| !received.is_left_out);
    if let Some(out) = out {
        global.write_like(out, &values)?;
    }
    if let Some(state) = state.as_mut().filter(|_| pipeline.keeps_arrivals()) {
        state.of_mut(who, round).merge(received.news);
        state.save()?;
    }
    let (payload, parts) = (message.payload.len(), reader.parts());
    if options.is_described() {
        let described = Described { round, collaborator: who, bytes: bytes.len(), payload, parts: &parts };
        options.print(&pipeline, &described)?;
    } else {
        let nothing =
            if received.is_left_out { "the collaborator left itself out" } else { "nothing written" };
        let out = out.map_or(nothing.into(), |out| out.display().to_string());
        say(&format!("{out}: {parameters} weights, round {round} of collaborator {who}"))?;
    }
    args.device.print_profile(&gpu, options.is_described())
}

/// An error about the message, by the name of its file.
fn damaged(path: &Path, error: Error) -> Error {
    match error {
        Error::Message { problem, mend } => Error::file(path, problem, mend),
        other => other,
    }
}
