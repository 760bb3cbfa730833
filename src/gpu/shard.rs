//! Cutting a matrix by rows so that each piece fits one storage binding.

/// A run of rows: `start .. start + len`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowRange {
    /// The first row.
    pub start: usize,
    /// How many rows.
    pub len: usize,
}

impl RowRange {
    /// Whether `part` lies within it.
    pub fn holds(&self, part: Self) -> bool {
        self.start <= part.start && part.start + part.len <= self.start + self.len
    }
}

/// What to do where values are too large for one binding.
pub(crate) const SMALLER: &str =
    "use a smaller batch, fewer collaborators at a time, or a larger --max-binding-bytes";

/// Cuts `rows` rows of `row_bytes` bytes into the fewest balanced pieces of at most `limit` bytes.
/// `None` where a single row is larger than the limit.
///
/// 550,570 rows of 1,280 bytes at 128 MiB give six pieces of 91,762 rows (the last one 91,760).
pub fn split_rows(rows: usize, row_bytes: u64, limit: u64) -> Option<Vec<RowRange>> {
    let most = (limit / row_bytes.max(1)).min(rows as u64) as usize;
    if most == 0 {
        return None;
    }
    let pieces = rows.div_ceil(most);
    let len = rows.div_ceil(pieces);
    Some((0..rows).step_by(len).map(|start| RowRange { start, len: len.min(rows - start) }).collect())
}
