//! `fedfunnel codecs`

use super::stdout::{print_json, say};
use clap::Args;
use fedfunnel::codec::{About, Explained, Linear, Stages};
use fedfunnel::federation::{PartAbout, SystemKind, Systems};
use fedfunnel::report::text_table;
use fedfunnel::story::codecs::{stage_page, stages_table, system_page, systems_table};
use serde::Serialize;

pub const EXAMPLES: &str = "Examples:
  fedfunnel codecs                      the stages that codecs are made of, and whole systems
  fedfunnel codecs topk                 one of them, with its options and where it is from
  fedfunnel codecs --json

A codec is stages in a line, each with its options: delta+feedback+topk(part=0.01). Specs take it as
that text or as a list: [\"delta\", \"feedback\", { stage = \"topk\", part = 0.01 }].";

/// Arguments of `codecs`.
#[derive(Args, Debug)]
pub struct CodecsArgs {
    /// A stage, a preset or a system, to hear all about it
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

/// The same of a system.
#[derive(Serialize)]
struct SystemAnswer {
    name: &'static str,
    /// How its updates cross the wire.
    stages: &'static str,
    #[serde(flatten)]
    about: PartAbout,
}

impl From<&SystemKind> for SystemAnswer {
    fn from(&SystemKind { name, stages, about, .. }: &SystemKind) -> Self {
        Self { name, stages, about }
    }
}

/// Either of them.
#[derive(Serialize)]
#[serde(untagged)]
enum Listed {
    Stage(Answer),
    System(SystemAnswer),
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
    let (stages, systems) = (Stages::default(), Systems::default());
    if let Some(kind) = args.name.as_ref().and_then(|name| systems.find(name).ok()) {
        return if args.json { print_json(&SystemAnswer::from(kind)) } else { say(&system_page(kind)) };
    }
    match &args.name {
        Some(name) => {
            let kind = stages.explain(name)?;
            if args.json { print_json(&Answer::of(&kind)) } else { say(&stage_page(&kind)) }
        }
        None if args.json => {
            let explained = stages.explained();
            let all = explained.iter().map(|kind| Listed::Stage(Answer::of(kind)));
            let systems = systems.all().iter().map(|kind| Listed::System(kind.into()));
            print_json(&all.chain(systems).collect::<Vec<_>>())
        }
        None => {
            let tables = [stages_table(&stages), systems_table(&systems)];
            say(tables.iter().map(text_table).collect::<Vec<_>>().join("\n").trim_end())
        }
    }
}
