//! `fedfunnel report`

use super::stdout::say;
use clap::Args;
use fedfunnel::files;
use fedfunnel::report::{self, Report};
use fedfunnel::run::{Identity, RunFolder, Start};
use std::path::{Path, PathBuf};

pub const EXAMPLES: &str = "Examples:
  fedfunnel report sim                    report.html and the plots of a run, from its report.json
  fedfunnel report sim other --out both   the curves of both runs over the same axes
  fedfunnel report sim --figures figures  each plot for print, and its numbers as CSV";

/// Arguments of `report`.
#[derive(Args, Debug)]
pub struct ReportArgs {
    /// Folders of runs; of several, the curves are laid over each other
    #[arg(required = true, value_name = "DIR")]
    runs: Vec<PathBuf>,
    /// Folder for the report [default: the run's own, or fedfunnel-report for several]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Folder for each plot as a figure: SVG of 84 mm (NAME.svg) and of 174 mm (NAME-wide.svg), and its numbers as
    /// CSV. The report itself is then made where --out asks for it
    #[arg(long, value_name = "DIR")]
    figures: Option<PathBuf>,
}

/// Makes reports again, or one of several.
pub fn run(args: &ReportArgs) -> anyhow::Result<()> {
    let reports: Vec<Report> = args.runs.iter().map(|run| report::load(run)).collect::<Result<_, _>>()?;
    let made = match &reports[..] {
        [only] => only.clone(),
        _ => report::overlay(&named(&args.runs).into_iter().zip(reports).collect::<Vec<_>>()),
    };
    if let Some(figures) = &args.figures {
        files::check_output_folder("--figures", figures)?;
        report::save_figures(&made, figures)?;
        say(&format!("{}: {} plots", figures.display(), made.plots.len()))?;
        if args.out.is_none() {
            return Ok(());
        }
    }
    let out = match (&args.out, &args.runs[..]) {
        (Some(out), _) => out.clone(),
        (None, [run]) => run.clone(),
        (None, _) => "fedfunnel-report".into(),
    };
    // A run's own report is made again where it lies; any other goes where no run is.
    if args.runs.iter().any(|run| files::is_same(run, &out)) && args.runs.len() == 1 {
        report::save(&made, &out)?
    } else {
        save_apart(&made, &args.runs, &out)?
    }
    say(&out.join(report::PAGE).display().to_string())
}

/// Writes a report into a folder of its own, or over an earlier one of this verb.
fn save_apart(made: &Report, runs: &[PathBuf], out: &Path) -> fedfunnel::Result<()> {
    let runs: Vec<_> = runs.iter().map(|run| run.display().to_string()).collect();
    let identity = Identity::new("report", &format!("runs = {runs:?}\n"));
    let start = if RunFolder::holds(out, "report") { Start::Overwrite } else { Start::New };
    files::check_output_folder("--out", out)?;
    let folder = RunFolder::open(out, identity, start)?;
    report::save(made, out)?;
    folder.finish()
}

/// The runs' names: the last parts of their paths, as many as tell them apart.
fn named(runs: &[PathBuf]) -> Vec<String> {
    let tail = |run: &Path, parts: usize| {
        let all: Vec<_> =
            run.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
        all[all.len().saturating_sub(parts)..].join("/")
    };
    let longest = runs.iter().map(|run| run.components().count()).max().unwrap_or(1);
    let names = |parts: usize| runs.iter().map(|run| tail(run, parts)).collect::<Vec<_>>();
    let distinct =
        |names: &[String]| names.iter().collect::<std::collections::HashSet<_>>().len() == names.len();
    (1..=longest).map(names).find(|names| distinct(names)).unwrap_or_else(|| {
        // The same folder twice.
        runs.iter().enumerate().map(|(place, run)| format!("{} {}", place + 1, run.display())).collect()
    })
}
