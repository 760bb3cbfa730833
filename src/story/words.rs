//! Words that several reports use.

use crate::report::format;

/// What the relative error of a report is.
pub const ERROR: &str = "Relative L2 error is taken after the mean of the training snapshots is subtracted: 1 \
                         means that nothing but that mean was learned.";

/// What stands beside every reconstruction and carries nothing.
pub const MEAN: &str = "the mean of the snapshots";

/// "1 float", "320 floats".
pub fn floats(count: usize) -> String {
    counted(count as u64, "float")
}

/// A count with its noun: "1 round", "1,000 rounds".
pub fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", format::count(count), if count == 1 { "" } else { "s" })
}

/// An error, or a share as the paper writes it, to so many decimals.
pub fn decimals(value: f64, count: usize) -> String {
    if value.is_finite() { format!("{value:.count$}") } else { "n/a".into() }
}
