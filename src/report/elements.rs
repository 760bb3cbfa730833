//! What plots, pictures and tables of the page have in common: headings, paragraphs, files to keep.

use super::Table;
use super::csv::csv;
use super::plot::escape;

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

/// A table as a CSV file.
pub(super) fn csv_of(table: &Table) -> String {
    let columns: Vec<&str> = table.columns.iter().map(String::as_str).collect();
    csv(&columns, table.rows.iter().cloned())
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
