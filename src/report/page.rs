//! Plots of the page, with the numbers behind them.

use super::csv::csv;
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

/// Content between two tags; nothing where it is empty.
pub(super) fn enclosed(open: &str, content: &str, close: &str) -> String {
    if content.is_empty() { String::new() } else { [open, content, close].concat() }
}

/// A section's heading.
pub(super) fn heading(title: &str) -> String {
    enclosed("<h2>", &escape(title), "</h2>\n")
}

/// Each string as one paragraph.
pub(super) fn paragraphs(texts: &[String]) -> String {
    texts.iter().map(|text| format!("<p>{}</p>\n", prose(text))).collect()
}

/// Running text, escaped, in which no line ends between a number and its unit.
pub(super) fn prose(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    for word in text.split(' ') {
        let unit = word.trim_end_matches(|c: char| ".,;:!?)".contains(c));
        let after_number = joined.ends_with(|c: char| c.is_ascii_digit());
        let is_unit =
            matches!(unit, "%" | "B" | "kB" | "MB" | "GB" | "TB" | "us" | "ms" | "s" | "min" | "h" | "d");
        if !joined.is_empty() {
            joined.push(if after_number && is_unit { '\u{a0}' } else { ' ' });
        }
        joined.push_str(word);
    }
    escape(&joined)
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

fn csv_of(table: &Table) -> String {
    let columns: Vec<&str> = table.columns.iter().map(String::as_str).collect();
    csv(&columns, table.rows.iter().cloned())
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

/// A link that carries the file within itself.
pub(super) fn download(table: &Table, stem: &str) -> String {
    let content = percent_encoded(&csv_of(table));
    format!(
        "<a class=\"download\" download=\"{stem}.csv\" href=\"data:text/csv;charset=utf-8,{content}\">Download as CSV</a>\n"
    )
}

/// Everything but unreserved characters (and the comma, which is plain in data) as `%XX`.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~,".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded += &format!("%{byte:02X}");
        }
    }
    encoded
}
