//! Central differences: the check that the twins' gradients are gradients.

/// The gradient of `f` at `at`, each element from two evaluations `step` to either side.
///
/// The error falls with `step^2` until rounding takes over; 1e-5 suits values near 1.
pub fn central_gradient(f: impl Fn(&[f64]) -> f64, at: &[f64], step: f64) -> Vec<f64> {
    let mut point = at.to_vec();
    let mut gradient = vec![0.0; at.len()];
    for i in 0..at.len() {
        point[i] = at[i] + step;
        let above = f(&point);
        point[i] = at[i] - step;
        let below = f(&point);
        point[i] = at[i];
        gradient[i] = (above - below) / (2.0 * step);
    }
    gradient
}
