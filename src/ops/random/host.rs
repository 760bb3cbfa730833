//! The numbers of the kernel on the host, for small matrices and synthetic data.
//!
//! A hash of (element, replica, tensor, seed) needs no state, so a kernel fills any shard of any tensor in
//! any order. The hash is pcg4d of Jarzynski & Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020.
//! All of it is wrapping u32 arithmetic, which WGSL defines exactly, and one f32 multiplication.

/// Mixes four counters into four words: pcg4d.
pub fn pcg4d(counters: [u32; 4]) -> [u32; 4] {
    let mut v = counters.map(|c| c.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    mix(&mut v);
    v = v.map(|word| word ^ (word >> 16));
    mix(&mut v);
    v
}

fn mix(v: &mut [u32; 4]) {
    for (to, from) in [(0, [1, 3]), (1, [2, 0]), (2, [0, 1]), (3, [1, 2])] {
        v[to] = v[to].wrapping_add(v[from[0]].wrapping_mul(v[from[1]]));
    }
}

/// 32 random bits for one element of one tensor of one replica.
pub fn bits(index: u32, replica: u32, tensor: u32, seed: u32) -> u32 {
    pcg4d([index, replica, tensor, seed])[0]
}

/// A float in `[-bound, bound)` from the upper 24 of 32 random bits. The integer fits a float exactly, so that one
/// multiplication by `bound / 2^23` gives the float that every adapter gives.
pub fn from_bits(bits: u32, bound: f32) -> f32 {
    ((bits >> 8) as i32 - 8_388_608) as f32 * (bound / 8_388_608.0)
}

/// The first `length` elements of one tensor of one replica, uniform in `[-bound, bound)`.
pub fn uniform_values(length: usize, replica: u32, tensor: u32, seed: u32, bound: f32) -> Vec<f32> {
    (0..length as u32).map(|index| from_bits(bits(index, replica, tensor, seed), bound)).collect()
}
