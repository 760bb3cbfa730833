//! Several runs in one report: their curves over the same axes.

use super::{Plot, Report, Series, Style, Table};
use std::collections::{BTreeSet, HashSet};

/// More curves than these cannot be told apart: then each gets a plot of its own, with a line for each run.
const MOST_CURVES: usize = 8;

/// One report of several, each with the name of its run. Plots of the same id become one.
pub fn overlay(runs: &[(String, Report)]) -> Report {
    let short = shortened(&runs.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>());
    let runs: Vec<(String, &Report)> = short.into_iter().zip(runs.iter().map(|(_, report)| report)).collect();
    let runs = runs.as_slice();
    let ids = distinct(runs.iter().flat_map(|(_, report)| &report.plots).map(|plot| plot.id.as_str()));
    let plots = ids.into_iter().flat_map(|id| {
        let of = |(name, report): &'_ (String, &'_ Report)| {
            report.plots.iter().find(|plot| plot.id == id).map(|plot| (name.clone(), plot.clone()))
        };
        combined(&runs.iter().filter_map(of).collect::<Vec<_>>())
    });
    let plots = plots.collect();
    let notes: BTreeSet<_> = runs.iter().flat_map(|(_, report)| &report.notes).collect();
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
        title: format!("Side by side: {}", names.join(", ")),
        answer: runs
            .iter()
            .filter_map(|(name, report)| report.answer.first().map(|first| format!("{name}: {first}")))
            .collect(),
        plots,
        tables: [figures, settings, facts].into_iter().filter(|table| !table.rows.is_empty()).collect(),
        notes: notes.into_iter().cloned().collect(),
        reproduce: runs.iter().map(|(_, report)| report.reproduce.as_str()).collect::<Vec<_>>().join("\n"),
        ..Report::default()
    }
}

/// Each name once, where it comes first.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = HashSet::new();
    names.filter(|name| seen.insert(*name)).collect()
}

/// The plots of the same id of some runs as one, or as one for each curve where that would be too many.
fn combined<'a>(parts: &'a [(String, Plot)]) -> Vec<Plot> {
    if let [(run, only)] = parts {
        return vec![Plot { title: format!("{} ({run})", only.title), ..only.clone() }];
    }
    let Some((_, first)) = parts.first() else { return Vec::new() };
    if parts.iter().any(|(_, plot)| !plot.bars.is_empty()) {
        // Bars cannot lie over each other; those of all runs are shown once where they are the same.
        if parts.iter().all(|(_, plot)| plot == first) {
            return vec![first.clone()];
        }
        let each = parts.iter().enumerate().map(|(place, (run, plot))| Plot {
            id: format!("{}-{place}", plot.id),
            title: format!("{} ({run})", plot.title),
            ..plot.clone()
        });
        return each.collect();
    }
    let names = distinct(parts.iter().flat_map(|(_, plot)| &plot.series).map(|series| series.name.as_str()));
    let of = |name: &str| -> Vec<(&'a str, &'a Series)> {
        let find = |plot: &'a Plot| plot.series.iter().find(|series| series.name == name);
        parts.iter().filter_map(|(run, plot)| Some((run.as_str(), find(plot)?))).collect()
    };
    // What is the same in all runs is drawn once.
    let (mut shared, mut own) = (Vec::new(), Vec::new());
    for name in names {
        let curves = of(name);
        match common(&curves, parts.len()) {
            Some(one) => shared.push(one),
            None => own.push((name, curves)),
        }
    }
    let named = |(run, series): (&str, &Series), name: String| Series {
        name: if name.is_empty() { run.to_string() } else { name },
        ..series.clone()
    };
    if shared.len() + own.iter().map(|(_, curves)| curves.len()).sum::<usize>() <= MOST_CURVES {
        let each = own.iter().flat_map(|(name, curves)| {
            curves.iter().map(move |&(run, series)| {
                let joined = if name.is_empty() { String::new() } else { format!("{run}: {name}") };
                named((run, series), joined)
            })
        });
        return vec![Plot { series: each.chain(shared).collect(), ..first.clone() }];
    }
    own.into_iter()
        .enumerate()
        .map(|(place, (name, curves))| {
            let each = curves.into_iter().map(|curve| named(curve, String::new()));
            Plot {
                id: format!("{}-{name}", first.id),
                title: format!("{}: {name}", first.title),
                series: each.chain(shared.iter().cloned()).collect(),
                // Said once.
                caption: if place == 0 { first.caption.clone() } else { String::new() },
                ..first.clone()
            }
        })
        .collect()
}

/// The curve that all of so many runs have: the same points, or the same height all along.
fn common(curves: &[(&str, &Series)], runs: usize) -> Option<Series> {
    let (_, first) = *curves.first().filter(|_| curves.len() == runs)?;
    if curves.iter().all(|(_, series)| *series == first) {
        return Some(first.clone());
    }
    let height = first.points.first()?.1;
    let points = || curves.iter().flat_map(|(_, series)| &series.points);
    if first.style != Style::Dashed || points().any(|point| point.1 != height) {
        return None;
    }
    let (low, high) = points().fold((f64::MAX, f64::MIN), |(low, high), p| (low.min(p.0), high.max(p.0)));
    Some(Series { points: vec![(low, height), (high, height)], ..first.clone() })
}

/// The names without what all of them begin or end with, as long as words are left.
fn shortened(names: &[&str]) -> Vec<String> {
    let separates = |c: char| "-_./ ".contains(c);
    let Some(first) = names.first() else { return Vec::new() };
    let all_begin = |start: &&str| names.iter().all(|name| name.starts_with(*start));
    let all_end = |end: &&str| names.iter().all(|name| name.ends_with(*end));
    let cuts = first.char_indices().filter(|(_, c)| separates(*c)).map(|(at, c)| (at, at + c.len_utf8()));
    let (befores, afters): (Vec<_>, Vec<_>) = cuts.map(|(at, after)| (&first[..after], &first[at..])).unzip();
    let start = befores.into_iter().filter(all_begin).map(str::len).max().unwrap_or(0);
    let end = afters.into_iter().filter(all_end).map(str::len).max().unwrap_or(0);
    let cut = |name: &&str| name.get(start..name.len().checked_sub(end)?).map(str::to_string);
    match names.iter().map(cut).collect::<Option<Vec<_>>>() {
        Some(cut) if cut.iter().all(|name| name.starts_with(char::is_alphabetic)) => cut,
        _ => names.iter().map(ToString::to_string).collect(),
    }
}

/// A row for each name that any of the runs has, a column for each run.
fn side_by_side(
    id: &str,
    title: &str,
    runs: &[(String, &Report)],
    pairs: impl Fn(&Report) -> Vec<(String, String)>,
) -> Table {
    let columns: Vec<_> = std::iter::once("").chain(runs.iter().map(|(name, _)| name.as_str())).collect();
    let mut table = Table::new(id, title, &columns);
    let all: Vec<Vec<(String, String)>> = runs.iter().map(|(_, report)| pairs(report)).collect();
    for name in distinct(all.iter().flatten().map(|(name, _)| name.as_str())) {
        let named = |pairs: &[(String, String)]| pairs.iter().rposition(|(own, _)| own == name);
        let cells = all.iter().map(|pairs| named(pairs).map_or("-", |at| pairs[at].1.as_str()));
        table.push(std::iter::once(name).chain(cells));
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
    use super::*;

    #[test]
    fn names_lose_what_they_share_as_long_as_words_are_left() {
        assert_eq!(shortened(&["fig5-smoke", "fig5-laptop"]), ["smoke", "laptop"]);
        assert_eq!(shortened(&["a-x-run", "a-yy-run"]), ["x", "yy"]);
        assert_eq!(shortened(&["run", "run-2"]), ["run", "run-2"]);
        assert_eq!(shortened(&["seed-1", "seed-2"]), ["seed-1", "seed-2"]);
        assert_eq!(shortened(&["one", "two"]), ["one", "two"]);
    }
}
