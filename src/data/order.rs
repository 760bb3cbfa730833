//! The order in which samples are seen, the same for a seed on every platform and in every release.
//!
//! The shuffle is written out here rather than taken from a library, whose algorithm may change
//! between versions and with it every recorded experiment.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The order of one epoch: a permutation of `0..len` that depends on `seed` and `epoch` alone, or
/// `0..len` itself without `shuffle`. Indices past 32 bits do not exist on the device and are left out.
pub fn epoch_order(len: usize, seed: u64, epoch: u64, shuffle: bool) -> Vec<u32> {
    let mut order: Vec<u32> = (0..u32::try_from(len).unwrap_or(u32::MAX)).collect();
    if shuffle {
        shuffle_in_place(&mut order, &mut ChaCha8Rng::seed_from_u64(derive_seed(seed, epoch)));
    }
    order
}

/// A seed of its own for the stream `stream` (an epoch, a collaborator) of an experiment's seed.
/// Neighbouring seeds and neighbouring streams give unrelated results; for one seed, no two streams
/// give the same.
pub fn derive_seed(seed: u64, stream: u64) -> u64 {
    mix(mix(seed).wrapping_add(stream))
}

/// The finaliser of SplitMix64: a bijection in which every input bit reaches every output bit.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Fisher and Yates' shuffle.
pub(super) fn shuffle_in_place<T>(items: &mut [T], rng: &mut ChaCha8Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(last as u64 + 1, rng) as usize);
    }
}

/// A number below `bound` (which is not 0), every one equally likely: the high half of a 128-bit
/// product, drawn again in the rare case that would favour some numbers.
pub(super) fn below(bound: u64, rng: &mut ChaCha8Rng) -> u64 {
    let unfair = bound.wrapping_neg() % bound;
    loop {
        let product = u128::from(rng.next_u64()) * u128::from(bound);
        if product as u64 >= unfair {
            return (product >> 64) as u64;
        }
    }
}
