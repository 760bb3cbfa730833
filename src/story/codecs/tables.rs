//! The numbers behind the answer.

use super::answer::spread;
use super::results::CodecRow;
use crate::report::{Column, Table, csv, format};

/// The name of the table that is printed.
pub const RESULTS: &str = "codecs";

/// A line for each codec.
pub fn results_table(rows: &[CodecRow]) -> Table {
    let columns: [Column<'_, CodecRow>; 10] = [
        ("codec", &|row| row.label.clone()),
        ("bytes a message", &|row| format::count(row.message_bytes)),
        ("ratio", &|row| format::ratio(row.ratio)),
        ("set up, each", &|row| format::count(row.setup_bytes + row.shared_setup_bytes)),
        ("up", &|row| format::bytes(row.uplink_bytes)),
        ("down", &|row| format::bytes(row.downlink_bytes)),
        ("in all", &|row| format::bytes(row.total_bytes)),
        ("local epochs", &|row| format::count(row.local_epochs)),
        ("accuracy", &|row| spread(&row.accuracy)),
        ("grayscale", &|row| row.grayscale_accuracy.as_ref().map_or("-".into(), spread)),
    ];
    let is_gray = rows.iter().any(|row| row.grayscale_accuracy.is_some());
    let shown = if is_gray { columns.len() } else { columns.len() - 1 };
    Table::of(RESULTS, "What each codec came to", rows, &columns[..shown])
}

/// What was found for the budget.
pub fn found_table(rows: &[CodecRow]) -> Option<Table> {
    let found: Vec<_> = rows.iter().filter(|row| row.found.is_some()).collect();
    let columns: [Column<'_, CodecRow>; 3] = [
        ("codec", &|row| row.codec.clone()),
        ("found", &|row| row.found.clone().unwrap_or_default()),
        ("bytes a message", &|row| format::count(row.message_bytes)),
    ];
    let table = Table::of("found", "What was found for the budget", found.iter().copied(), &columns);
    (!table.rows.is_empty()).then_some(table)
}

/// All numbers of the lines, for machines.
pub fn results_csv(rows: &[CodecRow]) -> String {
    let columns = [
        "label",
        "codec",
        "message_bytes",
        "ratio",
        "setup_bytes",
        "shared_setup_bytes",
        "uplink_bytes",
        "downlink_bytes",
        "total_bytes",
        "local_epochs",
        "accuracy",
        "accuracy_deviation",
        "grayscale_accuracy",
        "grayscale_accuracy_deviation",
        "is_on_front",
    ];
    let number = |value: Option<f64>| value.map_or(String::new(), format::exact);
    let line = |row: &CodecRow| {
        let gray = row.grayscale_accuracy.as_ref();
        let numbers = [
            row.setup_bytes,
            row.shared_setup_bytes,
            row.uplink_bytes,
            row.downlink_bytes,
            row.total_bytes,
            row.local_epochs,
        ];
        let mut cells = vec![row.label.clone(), row.codec.clone(), row.message_bytes.to_string()];
        cells.push(format::exact(row.ratio));
        cells.extend(numbers.map(|number| number.to_string()));
        cells.extend([number(Some(row.accuracy.mean)), number(row.accuracy.deviation)]);
        cells.extend([number(gray.map(|gray| gray.mean)), number(gray.and_then(|gray| gray.deviation))]);
        cells.push(row.is_on_front.to_string());
        cells
    };
    csv(&columns, rows.iter().map(line))
}
