//! What is said of a run that lies in a folder: which it is, how far it has come, and its headline.

use fedfunnel::report::{self, format};
use fedfunnel::run::{FoundRun, RunProgress};
use serde::Serialize;
use serde_json::Value;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes of the end of `metrics.jsonl` in which the last line is looked for.
const TAIL: u64 = 1 << 16;

/// A number worth remembering, as it is written for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeadlineFigure {
    /// What it is.
    pub label: String,
    /// The number, with its unit.
    pub value: String,
}

/// A run in a folder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunHeadline {
    /// Its folder.
    pub folder: String,
    /// The verb that made it.
    pub verb: String,
    /// What it is of: the name of its spec, or of its model.
    pub name: String,
    /// The version that wrote it.
    pub version: String,
    /// How far it has come.
    pub progress: RunProgress,
    /// The headline of its report, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its figures: the report's, or those of the last line of its metrics.
    pub figures: Vec<HeadlineFigure>,
}

impl RunHeadline {
    /// The run in a folder; none where it holds none.
    pub fn read(folder: &Path) -> fedfunnel::Result<Option<Self>> {
        let Some(found) = FoundRun::read(folder)? else { return Ok(None) };
        // What an earlier run has left says nothing of one that has only begun.
        let is_finished = found.progress == RunProgress::Finished;
        let report = is_finished.then(|| report::load(folder).ok()).flatten();
        let figures = match &report {
            Some(report) => report
                .figures
                .iter()
                .map(|figure| figure_of(&figure.label, &figure.value, &figure.unit))
                .collect(),
            None => last_line(folder).map_or(Vec::new(), |line| figures_of(&line)),
        };
        Ok(Some(Self {
            folder: folder.display().to_string(),
            name: name_of(&found.identity.settings),
            verb: found.identity.verb,
            version: found.version,
            progress: found.progress,
            title: report.map(|report| report.title).filter(|title| !title.is_empty()),
            figures,
        }))
    }

    /// How far it has come, in a word or two.
    pub fn progress(&self) -> &'static str {
        match self.progress {
            RunProgress::Finished => "finished",
            RunProgress::Running => "running",
            RunProgress::Unfinished => "unfinished",
            RunProgress::Unsaved => "not begun",
        }
    }

    /// Its figures in a line.
    pub fn line(&self) -> String {
        let each =
            self.figures.iter().map(|figure| format!("{} {}", figure.label.to_lowercase(), figure.value));
        each.collect::<Vec<_>>().join(", ")
    }
}

fn figure_of(label: &str, value: &str, unit: &str) -> HeadlineFigure {
    HeadlineFigure { label: label.into(), value: format!("{value} {unit}").trim_end().into() }
}

/// What settings are of.
fn name_of(settings: &str) -> String {
    let table = settings.parse::<toml::Table>().unwrap_or_default();
    let about = table.get("about").and_then(toml::Value::as_table);
    let named = [Some(&table), about].into_iter().flatten().find_map(|table| table.get("name"));
    let name = named.or_else(|| table.get("model")).and_then(toml::Value::as_str);
    name.unwrap_or("-").to_string()
}

/// The last whole line of a run's metrics.
fn last_line(folder: &Path) -> Option<Value> {
    let mut file = std::fs::File::open(folder.join("metrics.jsonl")).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).ok()?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail).ok()?;
    let text = String::from_utf8_lossy(&tail);
    text.lines().rev().find_map(|line| serde_json::from_str(line).ok())
}

/// How a number of a line is called and written.
type Said = (&'static str, &'static str, fn(f64) -> String);

/// What a line of metrics says that is worth a place in a headline, in this order.
fn figures_of(line: &Value) -> Vec<HeadlineFigure> {
    let four: fn(f64) -> String = |value| format::number(value, 4);
    let count: fn(f64) -> String = |value| format::count(value as u64);
    let said: [Said; 6] = [
        ("test_accuracy", "Accuracy", format::percent),
        ("test_loss", "Test loss", four),
        ("relative_l2", "Relative L2", four),
        ("validation_relative_l2", "Held out", four),
        ("round", "Round", count),
        ("epoch", "Epoch", count),
    ];
    let run = line["run"].as_str().map(|run| figure_of("Federation", run, ""));
    let figures = said.iter().filter_map(|(key, label, write)| {
        line[*key].as_f64().map(|value| figure_of(label, &write(value), ""))
    });
    figures.chain(run).collect()
}
