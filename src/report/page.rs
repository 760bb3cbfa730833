//! Plots of the page, with the numbers behind them.

use super::elements::{csv_of, download, enclosed, heading, paragraphs};
use super::format::{exact, number};
use super::html_table::rows;
use super::plot::{Shape, bar_lengths, escape, is_bars, svg_shaped};
use super::{Plot, Series, Table, remarks};
use crate::Result;
use std::collections::HashMap;

/// The page shows so many rows of the numbers behind a plot; the CSV file has all of them.
const ROWS_SHOWN: usize = 500;

/// A plot in both shapes (the style sheet shows one), its caption, and the numbers behind it. `name` is its slug.
pub(super) fn figure(plot: &Plot, name: &str) -> Result<String> {
    let mut text = format!("<section id=\"plot-{name}\">\n{}", heading(&plot.title));
    text += &format!(
        "<figure>\n<div class=\"wide\">{}</div>\n<div class=\"narrow\">{}</div>\n",
        svg_shaped(plot, Shape::Wide)?,
        svg_shaped(plot, Shape::Narrow)?
    );
    let caption = Some(&plot.caption).filter(|caption| !caption.is_empty());
    let below: Vec<_> = caption.cloned().into_iter().chain(remarks(plot)).collect();
    text += &enclosed("<figcaption>\n", &paragraphs(&below), "</figcaption>\n");
    Ok(text + "</figure>\n" + &numbers(plot, name) + "</section>\n")
}

/// The numbers behind a plot: folded, and as a CSV file to keep.
fn numbers(plot: &Plot, name: &str) -> String {
    let all = numbers_table(plot, exact);
    // Six digits for reading; the CSV file has them all.
    let mut shown =
        numbers_table(plot, |value| if value.is_finite() { number(value, 6) } else { exact(value) });
    shown.rows.truncate(ROWS_SHOWN);
    let mut text = format!(
        "<details>\n<summary>Numbers behind this plot</summary>\n\
         <div class=\"scroll tall\" role=\"region\" tabindex=\"0\" aria-label=\"Numbers behind {}\">\n{}</div>\n",
        escape(&plot.title),
        rows(&shown, ROWS_SHOWN, None)
    );
    if all.rows.len() > ROWS_SHOWN {
        text += &format!(
            "<p class=\"remark\">The first {ROWS_SHOWN} of {} rows; the CSV file has all of them.</p>\n",
            super::format::count(all.rows.len() as u64)
        );
    }
    text + &download(&all, name) + "</details>\n"
}

/// The numbers behind a plot as a CSV file, with every digit.
pub(super) fn plot_csv(plot: &Plot) -> String {
    csv_of(&numbers_table(plot, exact))
}

/// One column per curve over a common x or over bars; or, where a curve has two points at one x, one row per
/// point.
fn numbers_table(plot: &Plot, write: impl Fn(f64) -> String) -> Table {
    let x_name = if plot.x_label.is_empty() { "x" } else { &plot.x_label };
    let y_name = if plot.y_label.is_empty() { "y" } else { &plot.y_label };
    let name =
        |series: &Series| if series.name.is_empty() { y_name.to_string() } else { series.name.clone() };
    let mut table = Table { columns: vec![x_name.into()], ..Table::default() };
    if is_bars(plot) {
        table.columns.extend(plot.series.iter().map(name));
        let rows = plot.bars.iter().zip(bar_lengths(plot));
        let cells = |(bar, parts): (&String, Vec<f64>)| {
            std::iter::once(bar.clone()).chain(parts.into_iter().map(&write)).collect()
        };
        table.rows = rows.map(cells).collect();
        return table;
    }
    // Both zeros are one.
    let key = |x: f64| (x + 0.0).to_bits();
    let mut columns = Vec::new();
    for series in &plot.series {
        let column: HashMap<u64, f64> = series.points.iter().map(|&(x, y)| (key(x), y)).collect();
        if column.len() < series.points.len() {
            table.columns = vec!["Curve".into(), x_name.into(), y_name.into()];
            let points =
                plot.series.iter().flat_map(|series| series.points.iter().map(|point| (name(series), point)));
            table.rows = points.map(|(name, &(x, y))| vec![name, write(x), write(y)]).collect();
            return table;
        }
        table.columns.push(name(series));
        columns.push(column);
    }
    let mut places: Vec<f64> =
        plot.series.iter().flat_map(|series| &series.points).map(|point| point.0).collect();
    places.sort_by(|a, b| (a + 0.0).total_cmp(&(b + 0.0)));
    places.dedup_by_key(|x| key(*x));
    for x in places {
        let cells = columns.iter().map(|column| column.get(&key(x)).map_or(String::new(), |&y| write(y)));
        table.rows.push(std::iter::once(write(x)).chain(cells).collect());
    }
    table
}
