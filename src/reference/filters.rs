//! The twin of training one value for each filter and unit.

use super::expect_len;

/// `base [P] + coefficients [P] values [filters [P]]`
pub fn apply(base: &[f64], coefficients: &[f64], filters: &[usize], values: &[f64]) -> Vec<f64> {
    expect_len("coefficients", coefficients.len(), base.len());
    expect_len("filters", filters.len(), base.len());
    let mut applied = base.to_vec();
    for i in 0..base.len() {
        applied[i] += coefficients[i] * values[filters[i]];
    }
    applied
}

/// The gradient of `count` values from that of the parameters: the transpose of [`apply`].
pub fn gradient(coefficients: &[f64], filters: &[usize], slopes: &[f64], count: usize) -> Vec<f64> {
    expect_len("coefficients", coefficients.len(), slopes.len());
    expect_len("filters", filters.len(), slopes.len());
    let mut gradient = vec![0.0; count];
    for i in 0..slopes.len() {
        gradient[filters[i]] += coefficients[i] * slopes[i];
    }
    gradient
}
