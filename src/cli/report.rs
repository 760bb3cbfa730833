//! `fedfunnel report`

use clap::Args;
use fedfunnel::files;
use fedfunnel::report::{self, Report};
use std::path::{Path, PathBuf};

pub const EXAMPLES: &str = "Examples:
  fedfunnel report sim                    report.html and the plots of a run, from its report.json
  fedfunnel report sim other --out both   the curves of both runs over the same axes";

/// Arguments of `report`.
#[derive(Args, Debug)]
pub struct ReportArgs {
    /// Folders of runs; of several, the curves are laid over each other
    #[arg(required = true, value_name = "DIR")]
    runs: Vec<PathBuf>,
    /// Folder for the report [default: the run's own, or fedfunnel-report for several]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Makes reports again, or one of several.
pub fn run(args: &ReportArgs) -> anyhow::Result<()> {
    let reports: Vec<Report> = args.runs.iter().map(|run| report::load(run)).collect::<Result<_, _>>()?;
    let (made, default) = match (&args.runs[..], &reports[..]) {
        ([run], [only]) => (only.clone(), run.clone()),
        (runs, _) => (
            report::overlay(&named(runs).into_iter().zip(reports).collect::<Vec<_>>()),
            "fedfunnel-report".into(),
        ),
    };
    let out = args.out.clone().unwrap_or(default);
    files::check_output_folder("--out", &out)?;
    report::save(&made, &out)?;
    super::say(&out.join("report.html").display().to_string())
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
