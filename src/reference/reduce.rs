//! Sums, means and extremes along the last axis, and averages over replicas.

use super::expect_len;

fn per_row(x: &[f64], rows: usize, columns: usize, reduce: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    expect_len("x", x.len(), rows * columns);
    let mut result = vec![0.0; rows];
    for row in 0..rows {
        result[row] = reduce(&x[row * columns..(row + 1) * columns]);
    }
    result
}

/// Sum of each row of `x [rows, columns]`.
pub fn sum(x: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    per_row(x, rows, columns, |row| row.iter().sum())
}

/// Mean of each row of `x [rows, columns]`; the rows must not be empty.
pub fn mean(x: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    assert!(columns > 0, "an empty row has no mean");
    per_row(x, rows, columns, |row| row.iter().sum::<f64>() / columns as f64)
}

/// Population variance of each row of `x [rows, columns]`, in two passes: the mean first, then the squares.
pub fn variance(x: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    assert!(columns > 0, "an empty row has no variance");
    per_row(x, rows, columns, |row| {
        let mean = row.iter().sum::<f64>() / columns as f64;
        row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / columns as f64
    })
}

/// Smallest element of each row of `x [rows, columns]`; infinity for an empty row.
pub fn min(x: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    per_row(x, rows, columns, |row| row.iter().copied().fold(f64::INFINITY, f64::min))
}

/// Largest element of each row of `x [rows, columns]`; minus infinity for an empty row.
pub fn max(x: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    per_row(x, rows, columns, |row| row.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

/// `[P]` from `x [R, P]` and `weights [R]`: federated averaging (McMahan et al. 2017, algorithm 1) with the
/// weights, usually sample counts, divided by their sum.
pub fn weighted_average(x: &[f64], weights: &[f64]) -> Vec<f64> {
    let replicas = weights.len();
    assert!(replicas > 0 && x.len().is_multiple_of(replicas), "{} elements in {replicas} rows", x.len());
    let parameters = x.len() / replicas;
    let total: f64 = weights.iter().sum();
    assert!(total > 0.0, "the weights of an average sum to {total}");
    let mut average = vec![0.0; parameters];
    for r in 0..replicas {
        for p in 0..parameters {
            average[p] += weights[r] / total * x[r * parameters + p];
        }
    }
    average
}
