//! What `fedfunnel encode` and `fedfunnel decode` have in common: a codec, the files about it, and a message's anatomy.

use super::stdout::{print_json, say};
use clap::Args;
use fedfunnel::bytes::BytesPart;
use fedfunnel::codec::{Context, Pipeline, PipelineSpec, Stages};
use fedfunnel::model::{Layout, WeightsFile};
use fedfunnel::report::text_table;
use fedfunnel::story::codecs::anatomy_table;
use fedfunnel::{Error, Result};
use std::path::{Path, PathBuf};

/// The codec and what both sides have.
#[derive(Args, Debug)]
pub struct CodecOptions {
    /// The codec: stages in a line, such as delta+feedback+topk(part=0.01)
    #[arg(long, value_name = "CODEC")]
    codec: String,
    /// What this side keeps for the codec; made where it is not there
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// The global model that the round began with (safetensors)
    #[arg(long, value_name = "FILE")]
    global: PathBuf,
    /// Seed of stages that draw numbers; the same on both sides
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u32,
    /// Messages end with a CRC-32C
    #[arg(long)]
    pub checksum: bool,
    /// Print whose the bytes of the message are
    #[arg(long)]
    describe: bool,
    /// Print that as JSON
    #[arg(long)]
    json: bool,
}

/// A codec that is ready, and the global model.
pub struct Coding {
    /// As it was given.
    pub spec: PipelineSpec,
    /// Made for the global model.
    pub pipeline: Pipeline,
    /// The global model.
    pub global: WeightsFile,
}

/// What `--json` prints.
#[derive(serde::Serialize)]
struct Anatomy<'a> {
    codec: &'a str,
    round: u32,
    collaborator: u32,
    bytes: usize,
    parts: Vec<Part<'a>>,
}

#[derive(serde::Serialize)]
struct Part<'a> {
    part: &'a str,
    bytes: usize,
}

/// A message and whose the bytes of its payload are.
pub struct Described<'a> {
    /// The round.
    pub round: u32,
    /// The collaborator.
    pub collaborator: u32,
    /// All bytes of the message.
    pub bytes: usize,
    /// Those of the payload.
    pub payload: usize,
    /// Whose they are.
    pub parts: &'a [BytesPart],
}

impl CodecOptions {
    /// Reads the global model, and makes the codec for it.
    pub fn open(&self) -> Result<Coding> {
        let spec = PipelineSpec::from_text("--codec", &self.codec)?;
        let global = WeightsFile::read(&self.global)?;
        let pipeline = make(&spec, &global.layout, self.seed).map_err(blamed)?;
        Ok(Coding { spec, pipeline, global })
    }

    /// Whether standard output is for the anatomy.
    pub fn is_described(&self) -> bool {
        self.describe || self.json
    }

    /// Prints the message's anatomy, where that was asked for.
    pub fn print(&self, pipeline: &Pipeline, message: &Described<'_>) -> anyhow::Result<()> {
        let Described { round, collaborator, bytes, payload, parts } = *message;
        let checksum = if self.checksum { 4 } else { 0 };
        let header = bytes - payload - checksum;
        if self.json {
            let named = parts.iter().map(|part| Part { part: &part.name, bytes: part.bytes });
            let ends = |part: &'static str, bytes| (bytes > 0).then_some(Part { part, bytes });
            let parts = ends("header", header).into_iter().chain(named).chain(ends("checksum", checksum));
            let codec = pipeline.label();
            return print_json(&Anatomy { codec, round, collaborator, bytes, parts: parts.collect() });
        }
        if self.describe {
            say(text_table(&anatomy_table(header, parts, checksum)).trim_end())
        } else {
            Ok(())
        }
    }
}

fn make(spec: &PipelineSpec, layout: &Layout, seed: u32) -> Result<Pipeline> {
    Stages::default().pipeline(spec, &Context { layout, seed, autoencoder: None })
}

/// An error about the codec, by the name of the option.
pub fn blamed(error: Error) -> Error {
    error.renamed(|field| match field.strip_prefix("codecs") {
        Some(rest) => format!("--codec{rest}"),
        None if field == "autoencoder" => "--codec".into(),
        None => field,
    })
}

/// An error about what a side keeps, by the name of its file.
pub fn lacking(state: Option<&Path>, error: Error) -> Error {
    let mend = "set it up first, by encode with --snapshots and decode of what that writes, or use a codec that learns nothing";
    match (state, error) {
        (Some(path), Error::Message { problem, .. }) => Error::file(path, problem, mend),
        (None, Error::Message { problem, .. }) => Error::setting("--state", problem, mend),
        (_, other) => blamed(other),
    }
}
