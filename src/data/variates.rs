//! Random variates, written out so that a seed gives the same ones in every release.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

const STEPS: f64 = (1u64 << 53) as f64;

/// Uniform in [0, 1).
pub fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / STEPS
}

/// Uniform in (0, 1]: never 0, whose logarithm does not exist.
pub fn uniform_above_zero(rng: &mut ChaCha8Rng) -> f64 {
    ((rng.next_u64() >> 11) + 1) as f64 / STEPS
}

/// A standard normal variate (Marsaglia's polar method).
pub fn normal(rng: &mut ChaCha8Rng) -> f64 {
    loop {
        let (x, y) = (2.0 * uniform_above_zero(rng) - 1.0, 2.0 * uniform_above_zero(rng) - 1.0);
        let square = x * x + y * y;
        if square > 0.0 && square < 1.0 {
            return x * (-2.0 * square.ln() / square).sqrt();
        }
    }
}
