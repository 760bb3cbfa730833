//! Rounds added up, and what the sum says as (epsilon, delta).

use super::mechanism::{Mechanism, Sampling};
use crate::{Error, Result};

/// Adds up the Renyi divergences of rounds (Mironov 2017, 1702.07476) at a fixed list of orders.
#[derive(Clone, Debug, PartialEq)]
pub struct Accountant {
    orders: Vec<f64>,
    spent: Vec<f64>,
}

impl Default for Accountant {
    /// The orders of Google's dp-accounting: 1.1 to 10.9 in tenths, 11 to 63, 128, 256, 512 and 1024.
    fn default() -> Self {
        let tenths = (1..100).map(|tenth| 1.0 + f64::from(tenth) / 10.0);
        let whole = (11..64).chain([128, 256, 512, 1024]).map(f64::from);
        Self::with_orders(tenths.chain(whole).collect())
    }
}

impl Accountant {
    /// With orders of one's own, each above 1.
    pub fn with_orders(orders: Vec<f64>) -> Self {
        let spent = vec![0.0; orders.len()];
        Self { orders, spent }
    }

    /// Adds so many rounds.
    pub fn add(&mut self, mechanism: &Mechanism, rounds: u64) {
        for (spent, divergence) in self.spent.iter_mut().zip(mechanism.divergences(&self.orders)) {
            if rounds > 0 {
                *spent += rounds as f64 * divergence;
            }
        }
    }

    /// The divergence of all rounds at each order.
    pub fn divergences(&self) -> impl Iterator<Item = (f64, f64)> {
        self.orders.iter().copied().zip(self.spent.iter().copied())
    }

    /// The smallest epsilon with which all rounds are (epsilon, `delta`) differentially private, by the conversion of
    /// Canonne, Kamath and Steinke 2020 (2004.00010, Proposition 12) and Asoodeh et al. 2020 (2001.05990). `delta` lies
    /// between 0 and 1. Infinite where no order bounds it.
    pub fn epsilon(&self, delta: f64) -> f64 {
        let of = |(order, spent): (f64, f64)| {
            // Total variation by Bretagnolle and Huber, which holds at every order.
            if delta * delta + (-spent).exp_m1() >= 0.0 {
                return 0.0;
            }
            spent + (-1.0 / order).ln_1p() - (delta * order).ln() / (order - 1.0)
        };
        self.divergences().map(of).fold(f64::INFINITY, f64::min).max(0.0)
    }

    /// The smallest delta with which all rounds are (`epsilon`, delta) differentially private, by the same bounds.
    pub fn delta(&self, epsilon: f64) -> f64 {
        let of = |(order, spent): (f64, f64)| {
            let variation = 0.5 * (-(-spent).exp_m1()).ln();
            let tail = (order - 1.0) * (spent - epsilon + (-1.0 / order).ln_1p()) - order.ln();
            variation.min(tail)
        };
        self.divergences().map(of).fold(0.0, f64::min).exp()
    }
}

/// The smallest noise, over the norm that updates are clipped to, with which so many rounds are (`epsilon`, `delta`)
/// differentially private: to a part of 1e-6 above it. Errors where no noise up to 1e6 is enough.
pub fn smallest_noise(epsilon: f64, delta: f64, rate: f64, sampling: Sampling, rounds: u64) -> Result<f64> {
    if !(epsilon > 0.0 && epsilon.is_finite()) {
        return Err(Error::setting(
            "epsilon",
            format!("{epsilon} is no bound"),
            "use one above 0, such as 8",
        ));
    }
    let is_enough = |noise: f64| {
        let mut accountant = Accountant::default();
        accountant.add(&Mechanism { noise, rate, sampling }, rounds);
        accountant.epsilon(delta) <= epsilon
    };
    let mut high = 1.0;
    while !is_enough(high) {
        high *= 2.0;
        if high > 1e6 {
            let problem = format!("no noise makes {rounds} rounds ({epsilon}, {delta}) private");
            return Err(Error::setting("epsilon", problem, "allow more, or play fewer rounds"));
        }
    }
    let mut low = if high > 1.0 { high / 2.0 } else { 0.0 };
    while high - low > 1e-6 * high {
        let middle = 0.5 * (low + high);
        if middle < 1e-6 {
            break;
        }
        if is_enough(middle) { high = middle } else { low = middle }
    }
    Ok(high)
}
