//! Seeded random directions, each of which has some of the values of a line, with random signs.

use super::random::pcg4d;

/// The direction of each of `width` values, of `floats`, and its sign. Of each run of `floats` values, which may be cut
/// off at the end, the first belongs to a direction that is drawn, and the others to those that follow it in a circle.
pub fn directions(width: usize, floats: usize, key: [u32; 2]) -> Vec<(usize, f64)> {
    let mut directions = Vec::new();
    for i in 0..width {
        let (run, place) = (i / floats, i % floats);
        let start = pcg4d([run as u32, 1, key[0], key[1]])[0] as usize % floats;
        let minus = pcg4d([i as u32, 0, key[0], key[1]])[0] >= 1 << 31;
        directions.push(((start + place) % floats, if minus { -1.0 } else { 1.0 }));
    }
    directions
}

/// For each direction the sum of its values of `x [P]`, times their signs.
pub fn sums(x: &[f64], floats: usize, key: [u32; 2]) -> Vec<f64> {
    let mut sums = vec![0.0; floats];
    for (i, (direction, sign)) in directions(x.len(), floats, key).into_iter().enumerate() {
        sums[direction] += sign * x[i];
    }
    sums
}

/// `width` values, each what its direction has of `shares [Z]`, times its sign: the transpose of [`sums`].
pub fn spread(shares: &[f64], width: usize, key: [u32; 2]) -> Vec<f64> {
    let mut values = vec![0.0; width];
    for (i, (direction, sign)) in directions(width, shares.len(), key).into_iter().enumerate() {
        values[i] = sign * shares[direction];
    }
    values
}
