//! `fedfunnel codecs`

use super::stdout::{print_json, say};
use clap::Args;
use fedfunnel::codec::{About, Explained, Linear, Stages};
use fedfunnel::report::text_table;
use fedfunnel::story::codecs::{stage_page, stages_table};
use serde::Serialize;

pub const EXAMPLES: &str = "Examples:
  fedfunnel codecs                      the stages that codecs are made of
  fedfunnel codecs topk                 one of them, with its options and where it is from
  fedfunnel codecs --json

A codec is stages in a line, each with its options: delta+feedback+topk(part=0.01). Specs take it as
that text or as a list: [\"delta\", \"feedback\", { stage = \"topk\", part = 0.01 }].";

/// Arguments of `codecs`.
#[derive(Args, Debug)]
pub struct CodecsArgs {
    /// A stage or a preset, to hear all about it
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints of a stage or a preset.
#[derive(Serialize)]
struct Answer {
    name: &'static str,
    learns: bool,
    linear: Linear,
    #[serde(skip_serializing_if = "Option::is_none")]
    free: Option<&'static str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    stands_for: &'static str,
    #[serde(flatten)]
    about: About,
}

impl Answer {
    fn of(kind: &Explained) -> Self {
        let free = kind.free.map(|free| free.name);
        let &Explained { name, learns, linear, stands_for, about, .. } = kind;
        Self { name, learns, linear, free, stands_for, about }
    }
}

/// Lists the stages, or explains one.
pub fn run(args: &CodecsArgs) -> anyhow::Result<()> {
    let stages = Stages::default();
    match &args.name {
        Some(name) => {
            let kind = stages.explain(name)?;
            if args.json { print_json(&Answer::of(&kind)) } else { say(&stage_page(&kind)) }
        }
        None if args.json => print_json(&stages.explained().iter().map(Answer::of).collect::<Vec<_>>()),
        None => say(text_table(&stages_table(&stages)).trim_end()),
    }
}
