//! A report as files in a run's folder, and back.

use super::html_pictures::sheet;
use super::page::plot_csv;
use super::{FigureWidth, Report, html, slugs, svg_figure, svg_file};
use crate::{Error, Result, files};
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The report as data: what the others are made of.
const DATA: &str = "report.json";

/// The page.
pub const PAGE: &str = "report.html";

/// The `format` field of `report.json`. Other programs write files of that name too.
const FORMAT: &str = "fedfunnel report 1";

#[derive(Serialize)]
struct Written<'a> {
    format: &'a str,
    #[serde(flatten)]
    report: &'a Report,
}

/// Writes `report.json`, for each plot `plots/ID.svg` and `plots/ID.csv`, for pictures `pictures/ID.png`, and
/// `report.html`.
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
    for (pictures, name) in report.pictures.iter().zip(slugs(report.pictures.iter().map(|each| &*each.id))) {
        let path = folder.join("pictures").join(name).with_extension("png");
        files::write_atomic(&path, &sheet(pictures)?)?;
    }
    files::write_atomic(&folder.join(PAGE), html(report)?.as_bytes())
}

/// Writes each plot as a figure for print: `ID.svg` for a column, `ID-wide.svg` for a page, and `ID.csv`, the numbers
/// behind it.
pub fn save_figures(report: &Report, folder: &Path) -> Result<()> {
    for (plot, name) in report.plots.iter().zip(slugs(report.plots.iter().map(|plot| &*plot.id))) {
        let write = |ending: &str, text: String| {
            files::write_atomic(&folder.join(format!("{name}{ending}")), text.as_bytes())
        };
        write(".svg", svg_figure(plot, FigureWidth::Column)?)?;
        write("-wide.svg", svg_figure(plot, FigureWidth::Page)?)?;
        write(".csv", plot_csv(plot))?;
    }
    Ok(())
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
