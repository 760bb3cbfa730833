//! Several runs in one report: their curves over the same axes.

use super::{Plot, Report, Series, Table};
use std::collections::{BTreeMap, BTreeSet};

/// One report of several, each with the name it gets in the legends. Plots of the same id become one.
pub fn overlay(runs: &[(String, Report)]) -> Report {
    let mut plots: Vec<Plot> = Vec::new();
    for (name, report) in runs {
        for plot in &report.plots {
            let series = plot.series.iter().map(|s| Series { name: joined(name, &s.name), ..s.clone() });
            match plots.iter_mut().find(|there| there.id == plot.id) {
                Some(there) => there.series.extend(series),
                None => plots.push(Plot { series: series.collect(), ..plot.clone() }),
            }
        }
    }
    let names: Vec<_> = runs.iter().map(|(name, _)| name.as_str()).collect();
    let figures = side_by_side("figures", "Key figures", runs, |report| {
        let value = |figure: &super::KeyFigure| match figure.unit.as_str() {
            "" => figure.value.clone(),
            unit => format!("{} {unit}", figure.value),
        };
        report.figures.iter().map(|figure| (figure.label.clone(), value(figure))).collect()
    });
    let mut settings = side_by_side("settings", "Settings that differ", runs, |report| {
        let mut flat = Vec::new();
        flatten("", &report.configuration.parse().unwrap_or_default(), &mut flat);
        flat
    });
    settings.rows.retain(|row| row[2..].iter().any(|cell| *cell != row[1]));
    let facts = side_by_side("facts", "Facts of the runs", runs, |report| report.facts.clone());
    Report {
        title: names.join(" and "),
        answer: runs
            .iter()
            .filter_map(|(name, report)| report.answer.first().map(|first| format!("{name}: {first}")))
            .collect(),
        plots,
        tables: [figures, settings, facts].into_iter().filter(|table| !table.rows.is_empty()).collect(),
        notes: runs
            .iter()
            .flat_map(|(_, report)| &report.notes)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .cloned()
            .collect(),
        reproduce: runs.iter().map(|(_, report)| report.reproduce.as_str()).collect::<Vec<_>>().join("\n"),
        ..Report::default()
    }
}

fn joined(run: &str, curve: &str) -> String {
    if curve.is_empty() { run.to_string() } else { format!("{run}: {curve}") }
}

/// A row for each name that any of the runs has, a column for each run.
fn side_by_side(
    id: &str,
    title: &str,
    runs: &[(String, Report)],
    pairs: impl Fn(&Report) -> Vec<(String, String)>,
) -> Table {
    let columns: Vec<_> = std::iter::once("").chain(runs.iter().map(|(name, _)| name.as_str())).collect();
    let mut table = Table::new(id, title, &columns);
    let all: Vec<Vec<(String, String)>> = runs.iter().map(|(_, report)| pairs(report)).collect();
    let maps: Vec<BTreeMap<&str, &str>> = all
        .iter()
        .map(|pairs| pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect())
        .collect();
    let mut seen = BTreeSet::new();
    for (name, _) in all.iter().flatten().filter(|(name, _)| seen.insert(name.clone())) {
        let cells = maps.iter().map(|map| map.get(name.as_str()).copied().unwrap_or("-").to_string());
        table.push(std::iter::once(name.clone()).chain(cells));
    }
    table
}

/// Dotted keys and values of a TOML table.
fn flatten(prefix: &str, table: &toml::Table, into: &mut Vec<(String, String)>) {
    for (key, value) in table {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            toml::Value::Table(inner) => flatten(&name, inner, into),
            toml::Value::String(text) => into.push((name, text.clone())),
            value => into.push((name, value.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{KeyFigure, Style};
    use super::*;

    fn run(rounds: u32, last: f64) -> Report {
        let curve = Series::new("raw", Style::Solid, vec![(1.0, 0.0), (2.0, last)]);
        Report {
            answer: vec![format!("It came to {last}."), "More.".into()],
            figures: vec![KeyFigure::new("Accuracy", last.to_string(), "")],
            plots: vec![Plot::new("accuracy", "Accuracy", "Round", "%").with(curve)],
            configuration: format!("rounds = {rounds}\nseed = 0\n[a]\nb = \"c\"\n"),
            facts: vec![("Seed".into(), "0".into())],
            ..Report::default()
        }
    }

    #[test]
    fn curves_get_the_runs_names_and_only_differences_are_listed() {
        let both = overlay(&[("one".into(), run(3, 0.5)), ("two".into(), run(4, 0.75))]);
        let names: Vec<_> = both.plots[0].series.iter().map(|s| s.name.as_str()).collect();
        assert_eq!((both.plots.len(), names), (1, vec!["one: raw", "two: raw"]));
        assert_eq!(both.answer, ["one: It came to 0.5.", "two: It came to 0.75."]);
        let settings = both.tables.iter().find(|table| table.id == "settings").unwrap();
        assert_eq!(settings.rows, [["rounds", "3", "4"]]);
        assert_eq!(both.tables[0].rows, [["Accuracy", "0.5", "0.75"]]);
    }

    #[test]
    fn runs_of_different_kinds_keep_their_own_plots() {
        let mut other = run(3, 0.5);
        other.plots[0].id = "loss".into();
        other.figures.clear();
        let both = overlay(&[("one".into(), run(3, 0.5)), ("two".into(), other)]);
        assert_eq!(both.plots.len(), 2);
        assert_eq!(both.tables[0].rows, [["Accuracy", "0.5", "-"]]);
    }
}
