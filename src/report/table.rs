//! Tables for the terminal.

use super::Table;
use super::format::is_numeric;

/// The space between two columns.
const GAP: &str = "  ";

/// The table as lines of plain text: title, header, rule, rows, caption. Columns of numbers stand
/// to the right.
pub fn text_table(table: &Table) -> String {
    let header: Vec<String> = table.columns.iter().map(|cell| one_line(cell)).collect();
    let rows: Vec<Vec<String>> =
        table.rows.iter().map(|row| row.iter().map(|cell| one_line(cell)).collect()).collect();
    let right = right_aligned(table);
    let count = right.len();
    let widths: Vec<usize> = (0..count)
        .map(|column| {
            let cells = std::iter::once(&header).chain(&rows).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: &[String]| {
        let padded = (0..count).map(|column| {
            let cell = cells.get(column).map_or("", String::as_str);
            let width = widths[column];
            if right[column] { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        padded.collect::<Vec<_>>().join(GAP).trim_end().to_string()
    };
    let rule = widths.iter().map(|&width| "-".repeat(width)).collect::<Vec<_>>().join(GAP);

    let mut lines = Vec::new();
    if !table.title.is_empty() {
        lines.push(one_line(&table.title));
    }
    if count > 0 {
        lines.push(line(&header));
        lines.push(rule);
    }
    lines.extend(rows.iter().map(|row| line(row)));
    if !table.caption.is_empty() {
        lines.push(one_line(&table.caption));
    }
    lines.join("\n") + "\n"
}

/// For each column (of the header or of the longest row): does it hold numbers and nothing else?
/// Empty cells and dashes do not count against it.
pub(super) fn right_aligned(table: &Table) -> Vec<bool> {
    let longest = table.rows.iter().map(Vec::len).max().unwrap_or(0);
    (0..longest.max(table.columns.len()))
        .map(|column| {
            let cells = table.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.trim());
            let mut cells = cells.filter(|cell| !matches!(*cell, "" | "-" | "–" | "n/a")).peekable();
            cells.peek().is_some() && cells.all(is_numeric)
        })
        .collect()
}

/// A cell cannot break the line it stands in, nor send control characters to the terminal.
fn one_line(cell: &str) -> String {
    cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
