//! What the modules share: values and the check of a gradient.

use fedfunnel::reference::random::uniform_tensor;

/// Values in [-1, 1), different ones for each `tensor`.
pub fn values(length: usize, tensor: u32) -> Vec<f64> {
    uniform_tensor(length, 0, tensor, 11, 1.0).into_iter().map(f64::from).collect()
}

/// What gradients are checked on: with weights of their own, the gradient at each output differs.
pub fn weighted_sum(y: &[f64], weights: &[f64]) -> f64 {
    y.iter().zip(weights).map(|(y, weight)| y * weight).sum()
}

/// Panics unless an analytic gradient matches a numeric one to what central differences can give in f64.
#[track_caller]
pub fn assert_gradients_agree(analytic: &[f64], numeric: &[f64]) {
    assert_eq!(analytic.len(), numeric.len());
    for i in 0..numeric.len() {
        let difference = (analytic[i] - numeric[i]).abs();
        assert!(difference <= 1e-8, "element {i}: analytic {}, numeric {}", analytic[i], numeric[i]);
    }
}
