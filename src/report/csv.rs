//! Comma-separated values as RFC 4180 has them.

use std::borrow::Cow;

/// A header line and one line per row, each ended by CR LF, with quotes where a cell needs them.
pub fn csv(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let header = columns.iter().map(ToString::to_string).collect();
    std::iter::once(header).chain(rows).map(|cells: Vec<String>| line(&cells)).collect()
}

fn line(cells: &[String]) -> String {
    let cells: Vec<_> = cells.iter().map(|cell| quoted(cell)).collect();
    // A lone empty cell would be a blank line, which readers skip.
    let line = if cells == [""] { "\"\"".into() } else { cells.join(",") };
    line + "\r\n"
}

fn quoted(cell: &str) -> Cow<'_, str> {
    if cell.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\"")).into()
    } else {
        cell.into()
    }
}
