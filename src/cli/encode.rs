//! `fedfunnel encode`

use super::coding::{CodecOptions, Coding, Described, blamed, lacking};
use super::options::DeviceOptions;
use super::stdout::say;
use clap::Args;
use fedfunnel::codec::{
    CodecState, ExpectedLogs, Kept, Learned, Message, MessageKind, Round, SetupJob, Setups, Side, Values,
};
use fedfunnel::progress::Quiet;
use fedfunnel::run::{Identity, Place, Run, RunFolder, Start};
use fedfunnel::training::Snapshots;
use fedfunnel::{Error, files};
use std::path::PathBuf;

pub const EXAMPLES: &str = "Examples:
  fedfunnel encode --codec delta+f16 --global global.safetensors --in mine.safetensors --out msg.bin
  fedfunnel encode --codec 'delta+feedback+topk(part=0.01)' --state mine.state \\
      --global global.safetensors --in mine.safetensors --out msg.bin --id 7 --describe
  fedfunnel decode --codec 'delta+feedback+topk(part=0.01)' --state theirs.state \\
      --global global.safetensors --in msg.bin --out update.safetensors
  fedfunnel encode --codec 'prior+pca(floats=8)+f16' --state mine.state --global global.safetensors \\
      --snapshots run/snapshots.safetensors --out setup.bin     once, before the first update

Weights are safetensors files of any model, with the same tensors as the global one. The message is
what fedfunnel's own federations send: three bytes of header, or a few more, and what the codec makes
of the weights. What the codec keeps from round to round, such as what feedback owes, lies in the
state, which is written whole, after the message: where it was not, the same command makes the same
message again.";

/// Arguments of `encode`.
#[derive(Args, Debug)]
pub struct EncodeArgs {
    #[command(flatten)]
    codec: CodecOptions,
    /// The weights to send (safetensors)
    #[arg(long = "in", value_name = "FILE", required_unless_present = "snapshots")]
    weights: Option<PathBuf>,
    /// In place of weights: the snapshots that a codec is learned from; the message sets the other side up
    #[arg(long, value_name = "FILE", conflicts_with_all = ["weights", "round"])]
    snapshots: Option<PathBuf>,
    /// File for the message; - for standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The round, from 1 [default: the one after the last in the state]
    #[arg(long, value_name = "N")]
    round: Option<u32>,
    /// The collaborator
    #[arg(long, default_value_t = 0, value_name = "N")]
    id: u32,
    #[command(flatten)]
    device: DeviceOptions,
}

/// Encodes weights into a message.
pub fn run(args: &EncodeArgs) -> anyhow::Result<()> {
    let options = &args.codec;
    files::check_output_file("--out", &args.out)?;
    let Coding { spec, pipeline, global } = options.open()?;
    if pipeline.epochs() > 0 {
        let problem = "tune trains codes on the collaborator's own images, and a file of weights has none";
        return Err(Error::setting("--codec", problem, "leave tune out, or use fedfunnel simulate").into());
    }
    let Some(weights) = &args.weights else { return set_up(args, Coding { spec, pipeline, global }) };
    let weights = global.read_like(weights)?;
    let parameters = weights.len();
    let open = |path: &PathBuf| CodecState::open(path, Side::Collaborators, &spec, parameters, options.seed);
    let mut state = options.state.as_ref().map(open).transpose()?;
    let last = state.as_ref().map_or(0, |state| state.last_round(args.id));
    let round = args.round.unwrap_or(last.saturating_add(1));
    if round == 0 {
        return Err(Error::setting("--round", "rounds begin with 1", "use 1 or more").into());
    }
    if round <= last {
        let problem = format!("round {last} of collaborator {} has been encoded with this state", args.id);
        return Err(Error::setting("--round", problem, format!("use {} or more", last + 1)).into());
    }
    let mut kept = state.as_ref().map_or_else(Kept::default, |state| state.of(args.id).clone());
    let checked = pipeline.check_senders(Some(parameters), &[&kept]);
    checked.map_err(|error| lacking(options.state.as_deref(), error))?;
    let gpu = args.device.open()?;
    let view =
        Round { number: round, seed: options.seed.into(), global: &global.values, gpu: &gpu, local: None };
    let written = pipeline.describe(&view, vec![(args.id, &mut kept, Values::Host(weights))]);
    let written = written.map_err(blamed)?.swap_remove(0);
    let parts = written.parts().to_vec();
    let (kind, payload) = (MessageKind::Update, written.into_bytes());
    let message = Message { kind, round, collaborator: args.id, payload };
    let bytes = message.to_bytes(options.checksum);
    if state.is_none() && !kept.shapes("").is_empty() {
        let problem =
            format!("{} keeps something for the next round, and nothing says where", pipeline.label());
        return Err(Error::setting("--state", problem, "name a file for it").into());
    }
    args.device.save_trace(&gpu)?;
    files::write_atomic(&args.out, &bytes)?;
    if let Some(state) = &mut state {
        *state.of_mut(args.id, round) = kept;
        state.save()?;
    }
    let payload = message.payload.len();
    if options.is_described() {
        let described =
            Described { round, collaborator: args.id, bytes: bytes.len(), payload, parts: &parts };
        options.print(&pipeline, &described)?;
    } else {
        let (out, length) = (args.out.display(), bytes.len());
        say(&format!("{out}: {length} bytes, round {round} of collaborator {}", args.id))?;
    }
    args.device.print_profile(&gpu, options.is_described())
}

/// Learns the codec from a log, and writes the message of its setup.
fn set_up(args: &EncodeArgs, Coding { spec, pipeline, global }: Coding) -> anyhow::Result<()> {
    let (options, parameters) = (&args.codec, global.values.len());
    let Some(path) = &args.snapshots else { return Err(Error::fault("no weights and no snapshots").into()) };
    if options.is_described() {
        let problem = "a setup is no update whose bytes are those of stages";
        return Err(Error::setting("--snapshots", problem, "leave --describe and --json out").into());
    }
    let label = pipeline.label();
    if !pipeline.learns() {
        let problem = format!("{label} learns nothing from snapshots");
        return Err(Error::setting("--snapshots", problem, "leave it out, and name weights by --in").into());
    }
    if pipeline.is_shared() {
        let problem = format!("{label} is made by the aggregator, of what all collaborators ship");
        return Err(Error::setting("--codec", problem, "leave shared out, or use fedfunnel simulate").into());
    }
    let Some(state) = &options.state else {
        let problem = format!("{label} keeps what it learns, and nothing says where");
        return Err(Error::setting("--state", problem, "name a file for it").into());
    };
    let mut state = CodecState::open(state, Side::Collaborators, &spec, parameters, options.seed)?;
    if *state.of(args.id) != Kept::default() {
        let problem = format!("collaborator {} is set up in this state already", args.id);
        return Err(Error::setting("--state", problem, "name another file, or another --id").into());
    }
    let log = Snapshots::load(path)?;
    if log.width() != parameters {
        let problem =
            format!("its snapshots have {} weights, and the global model {parameters}", log.width());
        return Err(Error::file(path, problem, "name snapshots of the same model").into());
    }
    let gpu = args.device.open()?;
    let expected = ExpectedLogs { collaborators: 1, snapshots: log.len(), together: 1 };
    pipeline.check_room(&gpu, expected).map_err(blamed)?;
    // What learning leaves on its way is of no use afterwards.
    let folder = tempfile::tempdir().map_err(Error::io("create a folder in", &std::env::temp_dir()))?;
    let identity = Identity::new("encode", &spec.to_text());
    let folder = RunFolder::open(folder.path(), identity, Start::New)?;
    let place = Place { gpu: Some(&gpu), data_dir: None, folder, command: "fedfunnel encode" };
    let (mut observer, mut kept) = (Quiet, Kept::default());
    let shipped = pipeline.setup(&mut SetupJob {
        run: &mut Run::open(place, &mut observer)?,
        name: "learning",
        gpu: &gpu,
        ids: &[args.id],
        logs: &[log],
        kept: vec![&mut kept],
        learned: &mut Learned::default(),
        setups: &mut Setups::default(),
    });
    let payload = shipped.map_err(blamed)?.swap_remove(0);
    let message = Message { kind: MessageKind::Setup, round: 0, collaborator: args.id, payload };
    let bytes = message.to_bytes(options.checksum);
    args.device.save_trace(&gpu)?;
    files::write_atomic(&args.out, &bytes)?;
    *state.of_mut(args.id, 0) = kept;
    state.save()?;
    say(&format!("{}: {} bytes, the setup of collaborator {}", args.out.display(), bytes.len(), args.id))?;
    args.device.print_profile(&gpu, false)
}
