//! Renyi divergence of the Gaussian mechanism where each collaborator takes part or not by a coin of its own: Mironov,
//! Talwar and Zhang 2019, "Renyi Differential Privacy of the Sampled Gaussian Mechanism" (1908.10530).

use super::log_space::{self, ZERO};

/// Below this noise fractional orders are left out: their integrals have too narrow peaks, and no epsilon there is one
/// that anybody would state.
const LEAST_NOISE: f64 = 0.1;

/// The divergence at an order above 1, between a federation and one with a collaborator more or less:
/// `ln E_q[(1 - rate + rate p / q)^order] / (order - 1)`. `rate` is the probability with which one takes part, between
/// 0 and 1; `noise` is the standard deviation of the noise over the sensitivity.
pub fn divergence(rate: f64, noise: f64, order: f64) -> f64 {
    let log = if order.fract() == 0.0 { whole(rate, noise, order) } else { fractional(rate, noise, order) };
    // Where a round tells next to nothing, roundings are all that is left.
    (log / (order - 1.0)).max(0.0)
}

/// At a whole order: `sum_i C(a, i) (1 - q)^(a - i) q^i exp((i^2 - i) / (2 s^2))` (section 3.3, equation 6).
fn whole(rate: f64, noise: f64, order: f64) -> f64 {
    let term = |(i, binomial): (usize, f64)| {
        let i = i as f64;
        binomial + i * rate.ln() + (order - i) * (-rate).ln_1p() + (i * i - i) / (2.0 * noise * noise)
    };
    log_space::binomials(order).enumerate().map(term).fold(ZERO, log_space::add)
}

/// At a fractional order: the integral itself. The series of the paper comes to the same, and takes tens of thousands of
/// terms where rates are large and orders small.
fn fractional(rate: f64, noise: f64, order: f64) -> f64 {
    if noise < LEAST_NOISE {
        return f64::INFINITY;
    }
    let (log_rate, log_rest) = (rate.ln(), (-rate).ln_1p());
    log_space::mean_of_ratio(noise, order, |ratio| order * log_space::add(log_rest, log_rate + ratio))
}
