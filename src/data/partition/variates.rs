//! Gamma and Dirichlet variates.

use crate::data::variates::{normal, uniform_above_zero};
use crate::{Error, Result};
use rand_chacha::ChaCha8Rng;

/// Refuses concentrations with which a logarithm below would overflow, and what is none.
pub(super) fn check_alpha(alpha: f64) -> Result<()> {
    if (1e-6..=1e9).contains(&alpha) {
        return Ok(());
    }
    let mend = "set it between 0.000001 and 1000000000, for example to 0.5";
    Err(Error::setting("partition.alpha", format!("{alpha} is not a concentration"), mend))
}

/// Proportions that sum to 1: gamma variates over their sum. Taken as logarithms, because with a small
/// alpha all of them would round to 0.
pub(super) fn dirichlet_shares(count: usize, alpha: f64, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let logarithms: Vec<f64> = (0..count).map(|_| ln_gamma_variate(alpha, rng)).collect();
    let largest = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logarithms.iter().map(|ln| (ln - largest).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// The logarithm of a gamma variate (Marsaglia and Tsang, 2000); a shape below 1 is raised by one and
/// brought back by a power of a uniform variate.
fn ln_gamma_variate(shape: f64, rng: &mut ChaCha8Rng) -> f64 {
    if shape < 1.0 {
        return ln_gamma_variate(shape + 1.0, rng) + uniform_above_zero(rng).ln() / shape;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(rng);
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && uniform_above_zero(rng).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return (d * v).ln();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn dirichlet_shares_have_the_right_mean_and_spread() {
        // Var of one share is (1/k)(1 - 1/k) / (k alpha + 1).
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        for alpha in [0.3, 1.0, 4.0] {
            let draws: Vec<f64> = (0..20_000).map(|_| dirichlet_shares(4, alpha, &mut rng)[0]).collect();
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
            let expected = 0.25 * 0.75 / (4.0 * alpha + 1.0);
            assert!((mean - 0.25).abs() < 0.01, "alpha {alpha}: mean {mean}");
            assert!(
                (variance / expected - 1.0).abs() < 0.06,
                "alpha {alpha}: {variance} instead of {expected}"
            );
        }
    }
}
