//! Comma-separated values as RFC 4180 has them.

use std::borrow::Cow;

/// A header line and one line per row, each ended by CR LF, with quotes where a cell needs them.
pub fn csv(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = String::new();
    push_line(&mut text, columns.iter().copied());
    for row in rows {
        push_line(&mut text, row.iter().map(String::as_str));
    }
    text
}

fn push_line<'a>(text: &mut String, cells: impl ExactSizeIterator<Item = &'a str>) {
    // A lone empty cell would be a blank line, which readers skip.
    let alone = cells.len() == 1;
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            text.push(',');
        }
        if alone && cell.is_empty() {
            text.push_str("\"\"");
        } else {
            text.push_str(&quoted(cell));
        }
    }
    text.push_str("\r\n");
}

fn quoted(cell: &str) -> Cow<'_, str> {
    if cell.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\"")).into()
    } else {
        cell.into()
    }
}
