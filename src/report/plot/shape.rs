//! The shapes that a plot is drawn in.

/// The two shapes of a plot. Text keeps its size, so a narrow screen gets a narrow drawing instead
/// of a shrunken wide one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Shape {
    /// For a page or a screen at arm's length.
    Wide,
    /// For a phone.
    Narrow,
}
