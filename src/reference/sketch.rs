//! Count sketches (Charikar, Chen and Farach-Colton 2002, section 3.1), with one hash of 32 bits for the column of a value
//! and one bit for its sign.

use super::random::pcg4d;

/// Where a row has the value at a place: its column, and the sign it has there.
pub fn hash(row: usize, place: usize, columns: usize, key: [u32; 2]) -> (usize, f64) {
    let words = pcg4d([place as u32, row as u32, key[0], key[1]]);
    let sign = if words[1] >> 31 == 1 { -1.0 } else { 1.0 };
    (words[0] as usize % columns, sign)
}

/// The table `[rows, columns]` of a line: each value in one cell of each row. A cell adds its values in the order of
/// their places.
pub fn table(values: &[f64], [rows, columns]: [usize; 2], key: [u32; 2]) -> Vec<f64> {
    let mut table = vec![0.0; rows * columns];
    for r in 0..rows {
        for i in 0..values.len() {
            let (column, sign) = hash(r, i, columns, key);
            table[r * columns + column] += sign * values[i];
        }
    }
    table
}

/// What a table says of the values at the first places: the median over the rows of the value's cell with its sign, which
/// is the mean of the two in the middle where the number of rows is even.
pub fn estimates(table: &[f64], [rows, columns]: [usize; 2], key: [u32; 2], places: usize) -> Vec<f64> {
    let mut estimates = vec![0.0; places];
    for i in 0..places {
        let mut said = vec![0.0; rows];
        for r in 0..rows {
            let (column, sign) = hash(r, i, columns, key);
            said[r] = sign * table[r * columns + column];
        }
        said.sort_by(f64::total_cmp);
        estimates[i] = (said[(rows - 1) / 2] + said[rows / 2]) / 2.0;
    }
    estimates
}
