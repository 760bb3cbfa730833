//! Products of vectors that lie side by side, `[N, M]`, and linear combinations of them.

use super::expect_len;

/// `x [N, M]` of `lines [M, N]`: vectors that lie one after the other, side by side.
pub fn pack(lines: &[f64], vectors: usize) -> Vec<f64> {
    let rows = lines.len() / vectors;
    expect_len("lines", lines.len(), rows * vectors);
    let mut x = vec![0.0; lines.len()];
    for n in 0..rows {
        for m in 0..vectors {
            x[n * vectors + m] = lines[m * rows + n];
        }
    }
    x
}

/// The Gram matrix `[M, M]` of `x [N, M]`: `sum over n of x[n, j] x[n, k]`.
pub fn product(x: &[f64], vectors: usize) -> Vec<f64> {
    let rows = x.len() / vectors;
    expect_len("x", x.len(), rows * vectors);
    let mut products = vec![0.0; vectors * vectors];
    for j in 0..vectors {
        for k in 0..vectors {
            for n in 0..rows {
                products[j * vectors + k] += x[n * vectors + j] * x[n * vectors + k];
            }
        }
    }
    products
}

/// `[N, K]`: `sum over m of x[n, m] coefficients[m, k]`, with `x [N, M]` and `coefficients [M, K]`.
pub fn expand(x: &[f64], coefficients: &[f64], vectors: usize) -> Vec<f64> {
    let (rows, columns) = (x.len() / vectors, coefficients.len() / vectors);
    expect_len("x", x.len(), rows * vectors);
    expect_len("coefficients", coefficients.len(), vectors * columns);
    let mut expanded = vec![0.0; rows * columns];
    for n in 0..rows {
        for k in 0..columns {
            for m in 0..vectors {
                expanded[n * columns + k] += x[n * vectors + m] * coefficients[m * columns + k];
            }
        }
    }
    expanded
}
