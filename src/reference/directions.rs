//! Random directions, training along them without gradients (MeZO, Malladi et al. 2023, arXiv 2305.17333), and replaying
//! what was gone along each to weights.

use super::random::pcg4d;
use crate::ops::directions::DirectionKind;

/// Four words of random bits: pcg4d, whose low bits are weaker than the others, and half of a finaliser of 32 bits
/// (Wellons, "Prospecting for Hash Functions").
pub fn random_bits(counters: [u32; 4]) -> [u32; 4] {
    pcg4d(counters).map(|word| {
        let mixed = (word ^ (word >> 16)).wrapping_mul(0x7feb_352d);
        mixed ^ (mixed >> 15)
    })
}

/// The direction of this number at `width` weights.
pub fn direction(kind: DirectionKind, width: usize, key: [u32; 2], number: u32) -> Vec<f64> {
    (0..width as u32)
        .map(|p| {
            let quad = p / 4;
            match kind {
                DirectionKind::Normal => {
                    let word = random_bits([quad, number, key[0], key[1]])[p as usize % 4];
                    (f64::from(word.count_ones()) - 16.0) / 8f64.sqrt()
                }
                DirectionKind::Rademacher => {
                    // A turn of 512 quads is 64 blocks of 8 quads, which have the bits of a word in turn.
                    let (turn, in_turn) = (quad / 512, quad % 512);
                    let (block, k) = (turn * 64 + in_turn % 64, in_turn / 64);
                    let word = random_bits([block, number / 4, key[0], key[1]])[number as usize % 4];
                    if word >> (4 * k + p % 4) & 1 == 1 { -1.0 } else { 1.0 }
                }
            }
        })
        .collect()
}

/// `w += factor * z`
pub fn walk(w: &mut [f64], z: &[f64], factor: f64) {
    w.iter_mut().zip(z).for_each(|(w, z)| *w += factor * z);
}

/// One step along `z`, by what the loss differs `reach` ahead and behind; gives the slope.
pub fn step(w: &mut [f64], z: &[f64], reach: f64, rate: f64, loss: impl Fn(&[f64]) -> f64) -> f64 {
    let at = |factor: f64| {
        let mut tried = w.to_vec();
        walk(&mut tried, z, factor);
        loss(&tried)
    };
    let slope = (at(reach) - at(-reach)) / (2.0 * reach);
    walk(w, z, -rate * slope);
    slope
}

/// The nearest value of E4M3; of two that are as near, the one with an even byte.
pub fn byte_value(x: f64) -> f64 {
    let size = x.abs().min(448.0);
    // Values lie 2^-9 apart below 2^-6, and eight to a power of two above.
    let spacing = 2f64.powf(size.max(2f64.powi(-6)).log2().floor() - 3.0);
    (size / spacing).round_ties_even() * spacing * x.signum()
}

/// `w += sum over families and numbers of factor * direction`; `factors` are `[families][directions]`.
pub fn replay(w: &mut [f64], kind: DirectionKind, keys: &[[u32; 2]], factors: &[Vec<f64>]) {
    for (key, factors) in keys.iter().zip(factors) {
        for (number, factor) in factors.iter().enumerate() {
            walk(w, &direction(kind, w.len(), *key, number as u32), *factor);
        }
    }
}
