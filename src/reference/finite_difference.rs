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

/// Panics unless an analytic gradient matches a numeric one to what central differences can give in f64.
#[cfg(test)]
#[track_caller]
pub(crate) fn assert_gradients_agree(analytic: &[f64], numeric: &[f64]) {
    super::expect_len("analytic gradient", analytic.len(), numeric.len());
    for i in 0..numeric.len() {
        let difference = (analytic[i] - numeric[i]).abs();
        assert!(difference <= 1e-8, "element {i}: analytic {}, numeric {}", analytic[i], numeric[i]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polynomial_worked_by_hand() {
        let gradient = central_gradient(|x| x[0] * x[0] * x[1] + 3.0 * x[1], &[2.0, -1.0], 1e-5);
        assert_gradients_agree(&[-4.0, 7.0], &gradient);
    }

    #[test]
    #[should_panic(expected = "element 1")]
    fn a_wrong_gradient_is_found() {
        let gradient = central_gradient(|x| x[0] * x[1], &[2.0, -1.0], 1e-5);
        assert_gradients_agree(&[-1.0, 2.001], &gradient);
    }
}
