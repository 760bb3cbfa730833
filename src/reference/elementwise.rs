//! Filling and copying.

/// Sets every element of `x` to `value`.
pub fn fill(x: &mut [f64], value: f64) {
    for i in 0..x.len() {
        x[i] = value;
    }
}

/// Where the rows of a strided copy lie; all numbers count elements.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RowCopy {
    /// How many rows are copied.
    pub rows: usize,
    /// How long each row is.
    pub columns: usize,
    /// Where the first row starts in the source.
    pub source_offset: usize,
    /// From the start of one row to the next in the source; 0 copies one row many times.
    pub source_stride: usize,
    /// Where the first row starts in the destination.
    pub destination_offset: usize,
    /// From the start of one row to the next in the destination.
    pub destination_stride: usize,
}

/// Copies rows from `source` to `destination`, such as one tensor of a packed `[R, P]` into its own buffer.
pub fn copy_rows(source: &[f64], destination: &mut [f64], copy: RowCopy) {
    for row in 0..copy.rows {
        for column in 0..copy.columns {
            destination[copy.destination_offset + row * copy.destination_stride + column] =
                source[copy.source_offset + row * copy.source_stride + column];
        }
    }
}
