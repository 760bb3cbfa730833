//! A message by its parts.

use crate::bytes::BytesPart;
use crate::report::{Table, format};

/// Whose the bytes of a message are, its header first.
pub fn anatomy_table(header: usize, parts: &[BytesPart], checksum: usize) -> Table {
    let ends = |name: &str, bytes: usize| BytesPart { name: name.into(), bytes };
    let all: Vec<_> = std::iter::once(ends("header", header))
        .chain(parts.iter().cloned())
        .chain((checksum > 0).then(|| ends("checksum", checksum)))
        .collect();
    let whole: usize = all.iter().map(|part| part.bytes).sum();
    let mut table = Table::of(
        "anatomy",
        "",
        &all,
        &[
            ("part", &|part: &BytesPart| part.name.clone()),
            ("bytes", &|part: &BytesPart| format::count(part.bytes as u64)),
            ("share", &|part: &BytesPart| format::percent(part.bytes as f64 / whole.max(1) as f64)),
        ],
    );
    table.push(["all".to_string(), format::count(whole as u64), format::percent(1.0)]);
    table
}
