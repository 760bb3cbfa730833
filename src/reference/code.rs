//! The twin of training a code through its decoder.

use super::{activation, expect_len};
use crate::ops::Activation;

/// `base [P] + sum over k of basis [K, P] shifts [K]`: what a linear decoder makes of a code that differs by `shifts` from
/// the one that `base` was decoded from.
pub fn decode(base: &[f64], basis: &[f64], shifts: &[f64]) -> Vec<f64> {
    let parameters = base.len();
    expect_len("basis", basis.len(), shifts.len() * parameters);
    let mut decoded = base.to_vec();
    for i in 0..parameters {
        for k in 0..shifts.len() {
            decoded[i] += basis[k * parameters + i] * shifts[k];
        }
    }
    decoded
}

/// The gradient of a code `[K]` from that of the decoded parameters `[P]`: the transpose of [`decode`].
pub fn gradient(basis: &[f64], slopes: &[f64]) -> Vec<f64> {
    let parameters = slopes.len();
    assert!(basis.len().is_multiple_of(parameters), "{} elements in rows of {parameters}", basis.len());
    let mut gradient = vec![0.0; basis.len() / parameters];
    for k in 0..gradient.len() {
        for i in 0..parameters {
            gradient[k] += basis[k * parameters + i] * slopes[i];
        }
    }
    gradient
}

/// The nearest value of half precision (IEEE 754, ties to even), and no larger than the largest one.
pub fn half(x: f64) -> f64 {
    nearest(x, 10, -14, 65_504.0)
}

/// The same for the upper half of an f32, whose exponents are those of f32.
pub fn upper_half(x: f64) -> f64 {
    nearest(x, 7, -126, f64::from(f32::from_bits(0x7f7f_0000)))
}

/// The nearest value with so many bits behind the first one.
fn nearest(x: f64, bits: i32, lowest_exponent: i32, largest: f64) -> f64 {
    if x == 0.0 {
        return x;
    }
    // Values of one power of two lie that part of it apart, and those below the lowest one as far apart as there.
    let exponent = x.abs().log2().floor().max(lowest_exponent.into());
    let apart = (exponent - f64::from(bits)).exp2();
    ((x / apart).round_ties_even() * apart).clamp(-largest, largest)
}

/// `base + scale (now - before)`: what a decoder with hidden layers makes of a code.
pub fn spread(base: &[f64], scale: f64, now: &[f64], before: &[f64]) -> Vec<f64> {
    expect_len("now", now.len(), base.len());
    expect_len("before", before.len(), base.len());
    let mut spread = base.to_vec();
    for i in 0..base.len() {
        spread[i] += scale * (now[i] - before[i]);
    }
    spread
}

/// The gradient of the decoder's values before their activation from that of the parameters: the transpose of
/// [`spread`], and the activation's derivative at the values `now`.
pub fn collect(scale: f64, slopes: &[f64], now: &[f64], activation: Activation) -> Vec<f64> {
    let scaled: Vec<_> = slopes.iter().map(|slope| scale * slope).collect();
    activation::backward(&scaled, now, activation)
}
