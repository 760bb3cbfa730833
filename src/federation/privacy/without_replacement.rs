//! Renyi divergence of the Gaussian mechanism where a round takes a fixed number of collaborators: Wang, Balle and
//! Kasiviswanathan 2019, "Subsampled Renyi Differential Privacy and Analytical Moments Accountant" (1808.00087), Theorem
//! 27, and Corollary 10 between whole orders. An upper bound.

use super::log_space::{self, ZERO};
use std::f64::consts::LN_2;

/// Up to this order the bound uses the moments; beyond it, it does without them, and is a little larger.
const MOST_MOMENTS: usize = 256;

/// The bound for one noise, with the moments that all orders share.
pub struct Bound {
    rate: f64,
    noise: f64,
    /// The logarithms of `E[(p / q - 1)^l]` for `l` = 0, 2, 4, ...
    moments: Vec<f64>,
}

impl Bound {
    /// The bound for orders up to this one. `rate` is the part of the collaborators that a round takes, between 0 and 1;
    /// `noise` is the standard deviation of the noise over the sensitivity where one collaborator is replaced.
    pub fn new(rate: f64, noise: f64, highest: f64) -> Self {
        let count = (highest.ceil() as usize).min(MOST_MOMENTS) / 2 + 2;
        let moments = (0..count).map(|half| even_moment(noise, 2 * half)).collect();
        Self { rate, noise, moments }
    }

    /// The divergence at an order above 1.
    pub fn divergence(&self, order: f64) -> f64 {
        // The cumulant generating function is convex in the order, and 0 at 1.
        let (low, part) = (order.floor(), order.fract());
        let high = if part > 0.0 { self.cumulants(low + 1.0) * part } else { 0.0 };
        (self.cumulants(low) * (1.0 - part) + high) / (order - 1.0)
    }

    /// The logarithm of A at a whole order.
    fn cumulants(&self, order: f64) -> f64 {
        if order <= 1.0 {
            return 0.0;
        }
        let uses_moments = order <= MOST_MOMENTS as f64;
        let term = |(j, binomial): (usize, f64)| {
            let bound = match j {
                0 => return 0.0,
                1 => return ZERO,
                2 => 2.0 * LN_2 + self.moments[1],
                _ if uses_moments => 2.0 * LN_2 + 0.5 * (self.moments[j / 2] + self.moments[j.div_ceil(2)]),
                _ => f64::INFINITY,
            };
            let whole = j as f64;
            let plain = LN_2 + (whole - 1.0) * whole / (2.0 * self.noise * self.noise);
            whole * self.rate.ln() + binomial + bound.min(plain)
        };
        log_space::binomials(order).enumerate().map(term).fold(ZERO, log_space::add)
    }
}

/// The logarithm of `E_q[(p / q - 1)^l]` for an even `l`. The paper has it as the l-th difference of
/// `exp((i - 1) i / (2 noise^2))`, which cancels to nothing where noise is large; the integrand is nowhere negative.
fn even_moment(noise: f64, l: usize) -> f64 {
    let power = l as f64;
    let whole = power * (power - 1.0) / (2.0 * noise * noise);
    // Of the power nothing but its first term is left within a rounding.
    if l > 0 && (power - 1.0) / (noise * noise) > (2.0 * power).ln() + 36.0 {
        return whole;
    }
    log_space::mean_of_ratio(noise, power, |ratio| {
        // ln |e^x - 1|, also where e^x is more than f64 holds.
        let excess = if ratio > 1.0 { ratio + (-(-ratio).exp()).ln_1p() } else { ratio.exp_m1().abs().ln() };
        if l == 0 { 0.0 } else { power * excess }
    })
}
