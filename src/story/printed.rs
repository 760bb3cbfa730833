//! The paper's figures beside ours.

use crate::report::Table;

/// A figure that the paper printed, ours, and how the two are to be read.
pub struct Printed {
    /// What it is.
    pub what: &'static str,
    /// As the paper has it.
    pub paper: String,
    /// As we measured it.
    pub ours: String,
    /// Why they differ, or that they do not.
    pub why: String,
}

/// A table of them.
pub fn printed_table(rows: Vec<Printed>) -> Table {
    let mut table = Table::new("paper", "The paper's figures beside ours", &["", "Paper", "Here", "Why"]);
    for Printed { what, paper, ours, why } in rows {
        table.push([what.to_string(), paper, ours, why]);
    }
    table
}
