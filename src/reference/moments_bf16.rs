//! Moments of sixteen bits, rounded by chance.

/// The bf16 below or above (away from 0) an f32, as often the upper as the value lies near it: the lower bits of
/// `weight` are the chance.
pub fn rounded(moment: f32, weight: f32) -> f32 {
    f32::from_bits((moment.to_bits() + (weight.to_bits() & 0xffff)) & 0xffff_0000)
}

/// The distance of two neighbouring bf16 about a value; their eight bits of precision are a 128th of it at most.
pub fn spacing(value: f64) -> f64 {
    2f64.powi(value.abs().max(f64::from(f32::MIN_POSITIVE)).log2().floor() as i32 - 7)
}

/// The values of words that hold two each, the first in the lower half.
pub fn widened(words: &[u32]) -> Vec<f32> {
    words.iter().flat_map(|word| [word << 16, word & 0xffff_0000].map(f32::from_bits)).collect()
}
