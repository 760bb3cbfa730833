//! `fedfunnel inspect`

mod found;
mod kinds;

use super::stdout::{print_json, say};
use clap::Args;
use fedfunnel::report::{Column, Table, format, text_table};
use found::{FoundFile, FoundTensor, ValueRange};
use serde_json::Value;
use std::path::PathBuf;

pub const EXAMPLES: &str = "Examples:
  fedfunnel inspect run                          a run: what it is, its figures, its files
  fedfunnel inspect run/snapshots.safetensors    tensors, and what their values are like
  fedfunnel inspect ae/decoder.factored          a decoder, beside its autoencoder
  fedfunnel inspect msg.bin                      a message: kind, round, collaborator, bytes
  fedfunnel inspect model.toml                   how many parameters a model has

Known are safetensors files of any program and their indices, states of codecs, masks, decoders in
factors, messages, specs of models, and folders of runs. Nothing is changed, and no device is used.
What the bytes of a message are, stage by stage, is said by fedfunnel decode --describe.";

/// Arguments of `inspect`.
#[derive(Args, Debug)]
pub struct InspectArgs {
    /// The file, or the folder of a run
    #[arg(value_name = "FILE|DIR")]
    path: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Says what a file or a folder holds.
pub fn run(args: &InspectArgs) -> anyhow::Result<()> {
    let found = kinds::look(&args.path)?;
    if args.json {
        return print_json(&found);
    }
    say(&format!("{}: {}, {}", found.path, found.kind, format::bytes(found.bytes)))?;
    let widest = found.facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in &found.facts {
        say(&format!("  {name:<widest$}  {}", written(value)))?;
    }
    if !found.tensors.is_empty() {
        say(text_table(&tensors(&found.tensors)).trim_end())?;
    }
    if !found.files.is_empty() {
        let columns: [Column<'_, FoundFile>; 2] = [
            ("file", &|file| file.name.clone()),
            ("size", &|file| file.bytes.map_or("not there".into(), format::bytes)),
        ];
        say(text_table(&Table::of("files", "", &found.files, &columns)).trim_end())?;
    }
    Ok(())
}

/// A fact as people read it.
fn written(value: &Value) -> String {
    match (value.as_u64(), value) {
        (Some(count), _) => format::count(count),
        (None, Value::String(text)) => text.clone(),
        (None, other) => other.to_string(),
    }
}

fn tensors(tensors: &[FoundTensor]) -> Table {
    let shape = |tensor: &FoundTensor| {
        let each: Vec<_> = tensor.shape.iter().map(|length| format::count(*length as u64)).collect();
        if each.is_empty() { "one value".into() } else { each.join(" x ") }
    };
    let of_values =
        |tensor: &FoundTensor, say: &dyn Fn(ValueRange) -> String| tensor.values.map_or("-".into(), say);
    let columns: [Column<'_, FoundTensor>; 8] = [
        ("tensor", &|tensor| tensor.name.clone()),
        ("type", &|tensor| tensor.kind.clone()),
        ("shape", &shape),
        ("size", &|tensor| format::bytes(tensor.bytes)),
        ("least", &|tensor| of_values(tensor, &|values| format::number(f64::from(values.least), 4))),
        ("greatest", &|tensor| of_values(tensor, &|values| format::number(f64::from(values.greatest), 4))),
        ("rms", &|tensor| of_values(tensor, &|values| format::number(values.rms, 4))),
        ("not finite", &|tensor| of_values(tensor, &|values| format::count(values.not_finite))),
    ];
    // Of a spec there are no values yet.
    let shown = if tensors.iter().any(|tensor| tensor.values.is_some()) { 8 } else { 4 };
    Table::of("tensors", "", tensors, &columns[..shown])
}
