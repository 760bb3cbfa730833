//! Tables of the page.

use super::Table;
use super::elements::{download, heading, paragraphs};
use super::plot::escape;
use super::sort::Sorting;
use super::table::right_aligned;

/// Text cells of up to so many letters stay on one line.
const SHORT: usize = 24;

/// Cells of more letters are sentences.
const SENTENCE: usize = 60;

/// A table in a box that scrolls sideways by itself, with its CSV file. `name` is its slug.
pub(super) fn table_section(table: &Table, name: &str) -> String {
    let mut text = format!("<section id=\"table-{name}\">\n{}", heading(&table.title));
    let sorting = Sorting::of(table, name);
    text += &format!(
        "<div class=\"scroll{}\" role=\"region\" tabindex=\"0\" aria-label=\"{}\">\n{}</div>\n",
        if sorting.is_some() { " sort" } else { "" },
        escape(&table.title),
        rows(table, table.rows.len(), sorting.as_ref())
    );
    if !table.caption.is_empty() {
        text +=
            &format!("<div class=\"caption\">{}</div>\n", paragraphs(std::slice::from_ref(&table.caption)));
    }
    text + &download(table, name) + "</section>\n"
}

/// The `<table>` with its first rows.
pub(super) fn rows(table: &Table, most: usize, sorting: Option<&Sorting>) -> String {
    let right = right_aligned(table);
    let class = |column: usize| if right[column] { " class=\"number\"" } else { "" };
    // What is laid out as a grid is a table no longer, unless its roles say so.
    let role = |name: &str| sorting.map_or(String::new(), |_| format!(" role=\"{name}\""));
    let cell = |cells: &[String], column: usize| cells.get(column).cloned().unwrap_or_default();
    // On a phone sentences beside each other are columns of single words; there such rows are stacked.
    let has_sentences = table.rows.iter().flatten().any(|cell| cell.chars().count() > SENTENCE);
    let columns = sorting.map_or(String::new(), |_| format!(" style=\"--columns:{}\"", right.len()));
    let mut text = format!(
        "<table{}{}{columns}>\n<thead{group}>\n<tr{}>",
        if has_sentences { " class=\"told\"" } else { "" },
        role("table"),
        role("row"),
        group = role("rowgroup")
    );
    for column in 0..right.len() {
        let name = escape(&cell(&table.columns, column));
        let controls = sorting.map_or(String::new(), |sorting| sorting.controls(table, column));
        // Its buttons are no part of what a column is called.
        let called = if controls.is_empty() { String::new() } else { format!(" aria-label=\"{name}\"") };
        let (class, role) = (class(column), role("columnheader"));
        text += &format!("<th scope=\"col\"{class}{role}{called}>{name}{controls}</th>");
    }
    text += &format!("</tr>\n</thead>\n<tbody{}>\n", role("rowgroup"));
    for (place, row) in table.rows.iter().take(most).enumerate() {
        let ranks = sorting.map_or(String::new(), |sorting| sorting.ranks(place));
        text += &format!("<tr{}{ranks}>", role("row"));
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
            text += &format!("<td{class}{}{label}>{}</td>", role("cell"), escape(&cell));
        }
        text += "</tr>\n";
    }
    text + "</tbody>\n</table>\n"
}
