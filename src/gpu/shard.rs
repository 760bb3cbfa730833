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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wide_matrix_is_six_balanced_shards() {
        let shards = split_rows(550_570, 1_280, 128 << 20).unwrap();
        assert_eq!(shards.len(), 6);
        assert!(shards[..5].iter().all(|s| s.len == 91_762));
        assert_eq!(shards[5], RowRange { start: 458_810, len: 91_760 });
    }

    #[test]
    fn what_fits_is_one_shard_and_a_row_too_large_is_refused() {
        assert_eq!(split_rows(7, 4, 64), Some(vec![RowRange { start: 0, len: 7 }]));
        assert_eq!(split_rows(7, 65, 64), None);
    }

    #[test]
    fn every_row_is_in_one_shard_and_no_shard_is_too_large() {
        for rows in 1..60 {
            for limit in 4..40 {
                let shards = split_rows(rows, 4, limit).unwrap();
                let mut next = 0;
                for shard in shards {
                    assert_eq!(shard.start, next);
                    assert!(shard.len > 0 && shard.len as u64 * 4 <= limit);
                    next += shard.len;
                }
                assert_eq!(next, rows);
            }
        }
    }
}
