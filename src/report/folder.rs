//! A report as files in a run's folder, and back.

use super::page::plot_csv;
use super::{Report, html, slugs, svg_file};
use crate::{Error, Result, files};
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The report as data: what the others are made of.
const DATA: &str = "report.json";

/// The `format` field of `report.json`. Other programs write files of that name too.
const FORMAT: &str = "fedfunnel report 1";

#[derive(Serialize)]
struct Written<'a> {
    format: &'a str,
    #[serde(flatten)]
    report: &'a Report,
}

/// Writes `report.json`, for each plot `plots/ID.svg` and `plots/ID.csv`, and `report.html`.
pub fn save(report: &Report, folder: &Path) -> Result<()> {
    let written = Written { format: FORMAT, report };
    let data = serde_json::to_vec_pretty(&written)
        .map_err(|e| Error::fault(format!("a report could not be written: {e}")))?;
    files::write_atomic(&folder.join(DATA), &data)?;
    for (plot, name) in report.plots.iter().zip(slugs(report.plots.iter().map(|plot| &*plot.id))) {
        let path = folder.join("plots").join(name);
        files::write_atomic(&path.with_extension("svg"), svg_file(plot)?.as_bytes())?;
        files::write_atomic(&path.with_extension("csv"), plot_csv(plot).as_bytes())?;
    }
    files::write_atomic(&folder.join("report.html"), html(report)?.as_bytes())
}

/// The report of a run as data.
pub fn data(folder: &Path) -> PathBuf {
    folder.join(DATA)
}

/// Reads the report of a run.
pub fn load(folder: &Path) -> Result<Report> {
    let path = folder.join(DATA);
    let bytes = std::fs::read(&path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Error::file(
            folder,
            format!("there is no {DATA} in it"),
            "name the folder of a run: what fedfunnel simulate or experiment got as --out",
        ),
        _ => Error::io("read", &path)(source),
    })?;
    let wrong = |problem: String| {
        Error::file(&path, format!("it is no report of fedfunnel's ({problem})"), "name the folder of a run")
    };
    let mut fields: serde_json::Map<String, Value> =
        serde_json::from_slice(&bytes).map_err(|e| wrong(e.to_string()))?;
    match fields.remove("format") {
        Some(Value::String(format)) if format == FORMAT => {}
        other => {
            let found = other.map_or("nothing".into(), |format| format.to_string());
            return Err(wrong(format!("its `format` is {found}, not \"{FORMAT}\"")));
        }
    }
    serde_json::from_value(Value::Object(fields)).map_err(|e| wrong(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::{Plot, Series, Style};
    use super::*;

    #[test]
    fn what_is_saved_is_read_and_saved_again_to_the_byte() {
        let folder = tempfile::tempdir().unwrap();
        let series = Series::new("s", Style::Solid, vec![(1.0, 0.1 + 0.2), (2.0, f64::NAN)]);
        let report = Report {
            title: "t".into(),
            plots: vec![Plot::new("a plot", "P", "x", "y").with(series)],
            ..Report::default()
        };
        save(&report, folder.path()).unwrap();
        let files = ["report.json", "report.html", "plots/a-plot.svg", "plots/a-plot.csv"];
        let read = || files.map(|name| std::fs::read(folder.path().join(name)).unwrap());
        let before = read();
        save(&load(folder.path()).unwrap(), folder.path()).unwrap();
        assert_eq!(before, read());
        assert!(String::from_utf8_lossy(&before[3]).contains("0.30000000000000004"));
    }

    #[test]
    fn plots_with_names_that_look_alike_do_not_overwrite_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let ids = ["Loss", "loss!", "精度", "損失"];
        let plots = ids.map(|id| Plot::new(id, format!("title of {id}"), "x", "y")).to_vec();
        save(&Report { plots, ..Report::default() }, folder.path()).unwrap();
        for (name, id) in ["loss", "loss-2", "u7cbe-u5ea6", "u640d-u5931"].into_iter().zip(ids) {
            let svg = std::fs::read_to_string(folder.path().join(format!("plots/{name}.svg"))).unwrap();
            assert!(svg.contains(&format!("title of {id}")), "{name}");
            assert!(folder.path().join(format!("plots/{name}.csv")).is_file());
        }
    }

    #[test]
    fn a_folder_without_a_report_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let said = load(folder.path()).unwrap_err().to_string();
        assert!(said.contains("no report.json"), "{said}");
        std::fs::write(folder.path().join("report.json"), "[1").unwrap();
        assert!(load(folder.path()).unwrap_err().to_string().contains("it is no report"));
    }

    #[test]
    fn the_report_of_somebody_else_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let own = serde_json::to_value(Written { format: FORMAT, report: &Report::default() }).unwrap();
        for (key, value) in [("format", "coverage 3".into()), ("format", Value::Null), ("files", 3.into())] {
            let mut other = own.clone();
            other[key] = value;
            std::fs::write(data(folder.path()), other.to_string()).unwrap();
            let said = load(folder.path()).unwrap_err().to_string();
            assert!(said.contains("it is no report") && said.contains(key), "{said}");
        }
        std::fs::write(data(folder.path()), "{}").unwrap();
        assert!(load(folder.path()).is_err());
        std::fs::write(data(folder.path()), own.to_string()).unwrap();
        assert!(load(folder.path()).is_ok());
    }
}
