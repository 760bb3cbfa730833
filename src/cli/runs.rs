//! `fedfunnel runs`

use super::found_run::RunHeadline;
use super::stdout::{print_json, say, whisper};
use clap::Args;
use fedfunnel::Error;
use fedfunnel::report::{Column, Table, text_table};
use std::path::{Path, PathBuf};

pub const EXAMPLES: &str = "Examples:
  fedfunnel runs                        the runs in this folder and those below
  fedfunnel runs results --json         the same as JSON, with the headline of each report
  fedfunnel report results/*            their curves over each other";

/// Folders are looked into so many levels below the first.
const DEPTH: usize = 8;

/// Arguments of `runs`.
#[derive(Args, Debug)]
pub struct RunsArgs {
    /// The folder that they lie in, at any depth down to the eighth
    #[arg(default_value = ".", value_name = "DIR")]
    folder: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists the runs in a folder, with their figures.
pub fn run(args: &RunsArgs) -> anyhow::Result<()> {
    let folder = &args.folder;
    // A folder that cannot be read is refused; one below it is passed over.
    std::fs::read_dir(folder).map_err(Error::io("read", folder))?;
    let mut runs = Vec::new();
    collect(folder, DEPTH, &mut runs);
    if args.json {
        return print_json(&runs);
    }
    if runs.is_empty() {
        return say(&format!("there are no runs in {}", folder.display()));
    }
    let columns: [Column<'_, RunHeadline>; 5] = [
        ("run", &|run| run.folder.clone()),
        ("by", &|run| run.verb.clone()),
        ("of", &|run| run.name.clone()),
        ("is", &|run| run.progress().into()),
        ("came to", &|run| run.line()),
    ];
    say(text_table(&Table::of("runs", "", &runs, &columns)).trim_end())
}

/// The runs in a folder and below, by name. What lies inside of a run is its own.
fn collect(folder: &Path, depth: usize, runs: &mut Vec<RunHeadline>) {
    match RunHeadline::read(folder) {
        Ok(Some(run)) => return runs.push(run),
        Ok(None) => {}
        // One that was written by another version, say, hides no other.
        Err(error) => return whisper(&format!("left out: {error}")),
    }
    if depth == 0 {
        return;
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_hidden = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".");
    // A link is not followed: it may lead back.
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut names: Vec<_> = folders.map(|entry| entry.file_name()).filter(|name| !is_hidden(name)).collect();
    names.sort();
    for name in names {
        let below = if folder == Path::new(".") { PathBuf::from(&name) } else { folder.join(&name) };
        collect(&below, depth - 1, runs);
    }
}
