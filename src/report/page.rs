//! The parts of the page that carry data: plots with the numbers behind them, and tables.

use super::csv::csv;
use super::format::{exact, number};
use super::plot::{Shape, bar_lengths, escape, is_bars, svg_shaped};
use super::table::right_aligned;
use super::{Plot, Series, Table, remarks};
use crate::Result;
use std::collections::HashMap;

/// The page shows so many rows of the numbers behind a plot; the CSV file has all of them.
const ROWS_SHOWN: usize = 500;

/// Text cells of up to so many letters stay on one line.
const SHORT: usize = 24;

/// Cells of more letters are sentences.
const SENTENCE: usize = 60;

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

/// A table in a box that scrolls sideways by itself, with its CSV file. `name` is its slug.
pub(super) fn table_section(table: &Table, name: &str) -> String {
    let mut text = format!("<section id=\"table-{name}\">\n{}", heading(&table.title));
    text += &format!(
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{}\">\n{}</div>\n",
        escape(&table.title),
        rows(table, table.rows.len())
    );
    if !table.caption.is_empty() {
        text +=
            &format!("<div class=\"caption\">{}</div>\n", paragraphs(std::slice::from_ref(&table.caption)));
    }
    text + &download(table, name) + "</section>\n"
}

/// Content between two tags; nothing where it is empty.
pub(super) fn enclosed(open: &str, content: &str, close: &str) -> String {
    if content.is_empty() { String::new() } else { [open, content, close].concat() }
}

fn heading(title: &str) -> String {
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
        rows(&shown, ROWS_SHOWN)
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

/// The `<table>` with its first rows.
fn rows(table: &Table, most: usize) -> String {
    let right = right_aligned(table);
    let class = |column: usize| if right[column] { " class=\"number\"" } else { "" };
    let cell = |cells: &[String], column: usize| cells.get(column).cloned().unwrap_or_default();
    // On a phone sentences beside each other are columns of single words; there such rows are stacked.
    let has_sentences = table.rows.iter().flatten().any(|cell| cell.chars().count() > SENTENCE);
    let mut text = format!("<table{}>\n<thead>\n<tr>", if has_sentences { " class=\"told\"" } else { "" });
    for column in 0..right.len() {
        text += &format!("<th scope=\"col\"{}>{}</th>", class(column), escape(&cell(&table.columns, column)));
    }
    text += "</tr>\n</thead>\n<tbody>\n";
    for row in table.rows.iter().take(most) {
        text += "<tr>";
        for column in 0..right.len() {
            let cell = cell(row, column);
            // A short name wrapped into two lines reads worse than a table that scrolls.
            let class = match class(column) {
                "" if cell.chars().count() <= SHORT => " class=\"short\"",
                class => class,
            };
            let label = match table.columns.get(column).filter(|name| has_sentences && !name.is_empty()) {
                Some(name) => format!(" data-label=\"{}\"", escape(name)),
                None => String::new(),
            };
            text += &format!("<td{class}{label}>{}</td>", escape(&cell));
        }
        text += "</tr>\n";
    }
    text + "</tbody>\n</table>\n"
}

/// A link that carries the file within itself.
fn download(table: &Table, stem: &str) -> String {
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
