//! Randomised Hadamard rotations (DRIVE, Vargaftik et al. 2021, arXiv 2105.08339, section 3.1: `R = H D`, with D random
//! signs and H the normalised Hadamard matrix), for blocks of any length.

use super::random::pcg4d;

/// Combines the values of a block with each other: with `d` the largest power of two below the length n, values `d`
/// apart become their sum and their difference, divided by `sqrt(2)`; then the first `d` values are combined with each
/// other, and those behind them. For powers of two this is the normalised Hadamard matrix, and always it is orthogonal.
pub fn combine(x: &mut [f64]) {
    if x.len() < 2 {
        return;
    }
    let d = x.len().next_power_of_two() / 2;
    pair(x, d);
    combine(&mut x[..d]);
    combine(&mut x[d..]);
}

/// Undoes [`combine`].
pub fn separate(x: &mut [f64]) {
    if x.len() < 2 {
        return;
    }
    let d = x.len().next_power_of_two() / 2;
    separate(&mut x[..d]);
    separate(&mut x[d..]);
    pair(x, d);
}

fn pair(x: &mut [f64], d: usize) {
    for i in 0..x.len() - d {
        let (a, b) = (x[i], x[i + d]);
        x[i] = (a + b) / 2f64.sqrt();
        x[i + d] = (a - b) / 2f64.sqrt();
    }
}

/// Multiplies values, which stand from place `first` of their line on, by the signs of a pass.
fn turn(x: &mut [f64], first: usize, pass: u32, key: [u32; 2]) {
    for i in 0..x.len() {
        if pcg4d([(first + i) as u32, pass, key[0], key[1]])[0] >> 31 == 1 {
            x[i] = -x[i];
        }
    }
}

/// Rotates a line in blocks of `block` values, with signs drawn from a key. Of a block whose length is no power of two,
/// as many of the last values as one are rotated once more: those behind the first `d` are combined with few others.
pub fn rotate(x: &mut [f64], block: usize, key: [u32; 2]) {
    for b in 0..x.len().div_ceil(block) {
        let first = b * block;
        let last = x.len().min(first + block);
        let x = &mut x[first..last];
        turn(x, first, 0, key);
        combine(x);
        let n = x.len();
        if !n.is_power_of_two() {
            let d = n.next_power_of_two() / 2;
            turn(&mut x[n - d..], first + n - d, 1, key);
            combine(&mut x[n - d..]);
        }
    }
}

/// Undoes [`rotate`].
pub fn rotate_back(x: &mut [f64], block: usize, key: [u32; 2]) {
    for b in 0..x.len().div_ceil(block) {
        let first = b * block;
        let last = x.len().min(first + block);
        let x = &mut x[first..last];
        let n = x.len();
        if !n.is_power_of_two() {
            let d = n.next_power_of_two() / 2;
            separate(&mut x[n - d..]);
            turn(&mut x[n - d..], first + n - d, 1, key);
        }
        separate(x);
        turn(x, first, 0, key);
    }
}
