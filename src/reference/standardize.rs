//! Standardising snapshots: off with the mean, down to unit scale, and back.

/// `(x - mean) / scale` for each row of `x [S, P]`, with `mean [P]`.
pub fn forward(x: &[f64], mean: &[f64], scale: f64) -> Vec<f64> {
    by_row(x, mean, scale, |x, mean, scale| (x - mean) / scale)
}

/// `z * scale + mean` for each row of `z [S, P]`, with `mean [P]`: the inverse of [`forward`].
pub fn inverse(z: &[f64], mean: &[f64], scale: f64) -> Vec<f64> {
    by_row(z, mean, scale, |z, mean, scale| z * scale + mean)
}

fn by_row(x: &[f64], mean: &[f64], scale: f64, element: impl Fn(f64, f64, f64) -> f64) -> Vec<f64> {
    let parameters = mean.len();
    assert!(
        parameters > 0 && x.len().is_multiple_of(parameters),
        "{} elements in rows of {parameters}",
        x.len()
    );
    let mut result = vec![0.0; x.len()];
    for s in 0..x.len() / parameters {
        for p in 0..parameters {
            result[s * parameters + p] = element(x[s * parameters + p], mean[p], scale);
        }
    }
    result
}
