//! Sums of numbers that are too large or too small for f64, by their logarithms.

use std::f64::consts::PI;

/// The logarithm of 0.
pub const ZERO: f64 = f64::NEG_INFINITY;

/// `ln(e^a + e^b)`
pub fn add(a: f64, b: f64) -> f64 {
    let (low, high) = (a.min(b), a.max(b));
    if low == ZERO || high == f64::INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// `ln C(n, k)` for `k` = 0 to a whole `n`.
pub fn binomials(n: f64) -> impl Iterator<Item = f64> {
    let factor = move |log: &mut f64, k: u32| {
        let now = *log;
        *log += ((n - f64::from(k)) / f64::from(k + 1)).ln();
        Some(now)
    };
    (0..=n as u32).scan(0.0, factor)
}

/// Distance between the places of the quadrature, in standard deviations. A Gaussian times a function that is analytic
/// near the real line is summed to a few roundings by the trapezoid rule.
const STEP: f64 = 1.0 / 16.0;

/// `ln E_q[f(p / q)]`, with `q` a Gaussian of the standard deviation `noise` and `p` the same one beside it, at distance
/// 1. `log_f` has the logarithm of `f`, which grows like its argument to the power `order`, given that of its argument.
pub fn mean_of_ratio(noise: f64, order: f64, log_f: impl Fn(f64) -> f64) -> f64 {
    // f may have zeros and branches where p / q is negative: at pi * noise from the real line.
    let step = STEP.min(0.5 * noise);
    let margin = 16.0 + order.sqrt();
    let count = ((2.0 * margin + order / noise) / step) as usize;
    let term = |place: usize| {
        let z = step * place as f64 - margin;
        log_f(z / noise - 0.5 / (noise * noise)) - 0.5 * z * z
    };
    (0..=count).map(term).fold(ZERO, add) + step.ln() - 0.5 * (2.0 * PI).ln()
}
