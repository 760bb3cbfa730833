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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fill_reaches_every_element() {
        let mut x = [1.0, 2.0, 3.0];
        fill(&mut x, -0.5);
        assert_eq!(x, [-0.5; 3]);
    }

    #[test]
    fn rows_move_between_strides() {
        let source = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        let mut destination = [9.0; 7];
        let copy = RowCopy {
            rows: 2,
            columns: 2,
            source_offset: 1,
            source_stride: 4,
            destination_offset: 2,
            destination_stride: 3,
        };
        copy_rows(&source, &mut destination, copy);
        assert_eq!(destination, [9.0, 9.0, 1.0, 2.0, 9.0, 5.0, 6.0]);
    }

    #[test]
    fn a_source_stride_of_zero_broadcasts() {
        let mut destination = [0.0; 6];
        let copy = RowCopy {
            rows: 3,
            columns: 2,
            source_offset: 0,
            source_stride: 0,
            destination_offset: 0,
            destination_stride: 2,
        };
        copy_rows(&[1.0, 2.0], &mut destination, copy);
        assert_eq!(destination, [1.0, 2.0, 1.0, 2.0, 1.0, 2.0]);
    }
}
