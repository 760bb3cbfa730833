//! Count sketches (Charikar, Chen and Farach-Colton 2002): sums of values in a few cells, from which the largest values
//! can be told.
//!
//! With hashes `h_r` of places to columns and `s_r` to signs, for each row r:
//!
//! ```text
//! T[r, c] = sum over the places i with h_r(i) = c of s_r(i) v[i]
//! v'[i]   = median over r of s_r(i) T[r, h_r(i)]
//! ```
//!
//! The sketch of a sum is the sum of the sketches. Cells are sums in an order that is fixed, that of the places, so that
//! whoever makes a sketch makes the same. This is how the host makes it; [`super::cohort`] has those of a GPU, which has
//! to sort places by cell first.

use crate::codec::stages::largest::largest;
use crate::ops::sketch::Hashing;

/// The shape of a sketch, and what its hashes are drawn from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sketch(pub Hashing);

/// Where the values of some places go: for each row, the cell and whether it is subtracted.
pub struct Hashes {
    /// Row by row: twice the cell, and one more where the value is subtracted.
    packed: Vec<u32>,
    places: usize,
}

impl Hashes {
    /// How many places there are.
    pub fn places(&self) -> usize {
        self.places
    }
}

/// The cell of a packed one.
fn cell(packed: u32) -> usize {
    (packed >> 1) as usize
}

/// A value, or where the packed cell says so its negative. Signs come by chance, so that a branch would be guessed wrongly
/// every other time.
fn signed(packed: u32, value: f32) -> f32 {
    f32::from_bits(value.to_bits() ^ packed << 31)
}

/// Places that are estimated together: what the rows say of them stays in the nearest cache.
const BLOCK: usize = 256;

impl Sketch {
    /// The hashes of the first places, which are fewer than 2^32, in a sketch of fewer than 2^31 cells.
    pub fn hashes(&self, places: usize) -> Hashes {
        let Hashing { rows, columns, .. } = self.0;
        let mut packed = Vec::with_capacity(rows * places);
        for row in 0..rows {
            let before = 2 * (row * columns) as u32;
            packed.extend((0..places).map(|place| before + self.0.packed(row, place)));
        }
        Hashes { packed, places }
    }

    /// The sketch of values, as many as were hashed.
    pub fn of(&self, hashes: &Hashes, values: &[f32]) -> Vec<f32> {
        let mut table = vec![0f64; self.0.cells()];
        for row in hashes.packed.chunks_exact(hashes.places.max(1)) {
            for (&packed, value) in row.iter().zip(values) {
                table[cell(packed)] += f64::from(signed(packed, *value));
            }
        }
        table.into_iter().map(|sum| sum as f32).collect()
    }

    /// What a table says of each value.
    pub fn estimates(&self, hashes: &Hashes, table: &[f32]) -> Vec<f32> {
        let mut estimates = vec![0f32; hashes.places];
        let (mut own, mut middle) = (vec![[0f32; BLOCK]; self.0.rows], [0f32; BLOCK]);
        for (block, estimates) in estimates.chunks_mut(BLOCK).enumerate() {
            let first = block * BLOCK;
            for (row, own) in own.iter_mut().enumerate() {
                let packed = &hashes.packed[row * hashes.places + first..][..estimates.len()];
                let pairs = own.iter_mut().zip(packed);
                pairs.for_each(|(own, &packed)| *own = signed(packed, table[cell(packed)]));
            }
            medians(&own, &mut middle);
            estimates.copy_from_slice(&middle[..estimates.len()]);
        }
        estimates
    }

    /// The `k` values that are largest by what a table says, and zeros elsewhere.
    pub fn heaviest(&self, hashes: &Hashes, table: &[f32], k: usize) -> Vec<f32> {
        let estimates = self.estimates(hashes, table);
        let mut values = vec![0.0; estimates.len()];
        for place in largest(&estimates, k.min(estimates.len())) {
            values[place] = estimates[place];
        }
        values
    }
}

/// The median over the rows at each place of a block. That of three and five rows is free of branches and calls, so that
/// several places are worked on at a time.
fn medians(rows: &[[f32; BLOCK]], into: &mut [f32; BLOCK]) {
    match rows {
        [a, b, c] => (0..BLOCK).for_each(|i| into[i] = of_three(a[i], b[i], c[i])),
        [a, b, c, d, e] => (0..BLOCK).for_each(|i| into[i] = of_five([a[i], b[i], c[i], d[i], e[i]])),
        _ => {
            let mut own = vec![0.0; rows.len()];
            for (place, into) in into.iter_mut().enumerate() {
                own.iter_mut().zip(rows).for_each(|(own, row)| *own = row[place]);
                *into = median(&mut own);
            }
        }
    }
}

/// The middle one; the mean of both where two are in the middle, which are at least one.
fn median(values: &mut [f32]) -> f32 {
    values.sort_unstable_by(f32::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { 0.5 * (values[middle - 1] + values[middle]) }
}

/// The middle one of five: of the smaller ones of two pairs the larger, of the larger ones the smaller, and the fifth.
fn of_five([a, b, c, d, e]: [f32; 5]) -> f32 {
    of_three(e, larger(smaller(a, b), smaller(c, d)), smaller(larger(a, b), larger(c, d)))
}

fn of_three(a: f32, b: f32, c: f32) -> f32 {
    larger(smaller(a, b), smaller(larger(a, b), c))
}

/// `f32::min` says more of what is no number, for which it takes several instructions.
fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_few_is_that_of_the_sorted() {
        // Every order of values of which some are equal.
        for mut code in 0..4usize.pow(5) {
            let values = [(); 5].map(|()| {
                let value = [-2.5, 0.0, 1.0, 7.0][code % 4];
                code /= 4;
                value
            });
            for count in 1..=5 {
                let mut sorted = values[..count].to_vec();
                sorted.sort_by(f32::total_cmp);
                let middle = 0.5 * (sorted[(count - 1) / 2] + sorted[count / 2]);
                assert_eq!(median(&mut values[..count].to_vec()), middle, "{values:?}");
                let rows: Vec<_> = values[..count].iter().map(|&value| [value; BLOCK]).collect();
                let mut medians = [9.0; BLOCK];
                super::medians(&rows, &mut medians);
                assert_eq!(medians, [middle; BLOCK], "{values:?}");
            }
        }
    }
}
