//! Words, lines and tables that several reports have.

use crate::report::{Plot, Series, Style, Table};
pub(super) use crate::text::counted;

/// What the relative error of a report is.
pub const ERROR: &str = "Relative L2 error is taken after the mean of the training snapshots is subtracted: 1 \
                         means that nothing but that mean was learned.";

/// What runs along an axis of accuracies.
pub const ACCURACY: &str = "Test accuracy (%)";

/// What stands beside every reconstruction and carries nothing, without its article.
pub const MEAN: &str = "mean of the snapshots";

/// "1 float", "320 floats".
pub fn floats(count: usize) -> String {
    counted(count, "float")
}

/// An error, or a share as the paper writes it, to so many decimals.
pub fn decimals(value: f64, count: usize) -> String {
    if value.is_finite() { format!("{value:.count$}") } else { "n/a".into() }
}

/// The plot with a dashed line at this height, as far as its curves go.
pub fn with_level(plot: Plot, name: impl Into<String>, height: f64) -> Plot {
    let points = plot.series.iter().flat_map(|series| &series.points);
    let ends =
        points.fold((f64::INFINITY, f64::NEG_INFINITY), |(first, last), (x, _)| (x.min(first), x.max(last)));
    plot.with(Series::new(name, Style::Dashed, vec![(ends.0, height), (ends.1, height)]))
}

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

/// The paper's figures beside ours.
pub fn printed_table(rows: impl IntoIterator<Item = Printed>) -> Table {
    let mut table = Table::new("paper", "The paper's figures beside ours", &["", "Paper", "Here", "Why"]);
    for Printed { what, paper, ours, why } in rows {
        table.push([what.to_string(), paper, ours, why]);
    }
    table
}
