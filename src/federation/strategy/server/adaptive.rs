//! What the adaptive rules have in common: both moments of what rounds change.

use crate::Result;
use crate::codec::{Kept, Options, expect_length};

/// The name of the first moments.
const FIRST: &str = "first";
/// The name of the second moments.
const SECOND: &str = "second";

/// Both moments as an aggregator keeps them between rounds, in f32; a step computes in f64.
#[derive(Debug, Default)]
pub(super) struct Adaptive(pub Kept);

/// How a step goes.
pub(super) struct Step<V> {
    /// Part of the first moment that stays.
    pub beta1: f64,
    /// Rate of the step.
    pub rate: f64,
    /// Summand of the divisor.
    pub tau: f64,
    /// The new second moment, of the old one and the square of what the round changed.
    pub second: V,
}

impl Adaptive {
    /// With `d = combined - global`: `m = beta1 * m + (1 - beta1) * d`, `v = second(v, d * d)` and
    /// `global += rate * m / (sqrt(v) + tau)`. Both moments begin at zero.
    pub fn step<V: Fn(f64, f64) -> f64>(&mut self, global: &mut [f32], combined: &[f32], step: Step<V>) {
        let zeros = || vec![0.0; global.len()];
        let mut first = self.0.get(FIRST).map_or_else(zeros, <[f32]>::to_vec);
        let mut second = self.0.get(SECOND).map_or_else(zeros, <[f32]>::to_vec);
        let moments = first.iter_mut().zip(&mut second);
        for ((global, combined), (first, kept)) in global.iter_mut().zip(combined).zip(moments) {
            let change = f64::from(*combined) - f64::from(*global);
            let m = step.beta1 * f64::from(*first) + (1.0 - step.beta1) * change;
            let v = (step.second)(f64::from(*kept), change * change);
            *global = (f64::from(*global) + step.rate * m / (v.sqrt() + step.tau)) as f32;
            (*first, *kept) = (m as f32, v as f32);
        }
        self.0.put(FIRST, first);
        self.0.put(SECOND, second);
    }

    /// Refuses moments that are not those of so many weights.
    pub fn check(&self, parameters: usize) -> Result<()> {
        [FIRST, SECOND].into_iter().try_for_each(|name| match self.0.get(name) {
            Some(values) => expect_length(name, values.len(), parameters),
            None => Ok(()),
        })
    }
}

/// Refuses rates, decays and summands that cannot work.
pub(super) fn check_options(options: &Options, rate: f64, betas: &[f64], tau: f64) -> Result<()> {
    if !(rate > 0.0 && rate.is_finite()) {
        return Err(options.refuse(format!("a rate of {rate}"), "use one above 0, such as 0.1"));
    }
    if let Some(beta) = betas.iter().find(|beta| !(0.0..1.0).contains(*beta)) {
        return Err(options.refuse(format!("a decay of {beta}"), "use 0 to below 1, such as 0.9"));
    }
    if !(tau > 0.0 && tau.is_finite()) {
        return Err(options.refuse(format!("a tau of {tau}"), "use one above 0, such as 0.001"));
    }
    Ok(())
}
