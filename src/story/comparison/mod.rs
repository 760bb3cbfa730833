//! Autoencoders of several kinds and sizes on the same snapshots.

mod plots;
mod report;
mod results;
mod table;

pub use report::comparison_report;
pub use results::{Accuracies, ComparisonResult, PcaSize, Variant};
