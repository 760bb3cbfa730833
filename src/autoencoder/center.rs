//! Snapshots around their mean, in f64: what they differ in may be ten thousand times smaller than they are, and
//! sums of squares of it are then more than f32 holds.

use crate::{Error, Result};
use nalgebra::DMatrix;

/// Weights that are gone over at a time, all snapshots of them: a few megabytes.
const BLOCK: usize = 1024;

/// Half of what the last digit of an f32 is worth, relative to the value.
const ROUNDING: f64 = 1.0 / (1 << 24) as f64;

/// Scales that a device divides by without loss.
const SCALES: [f64; 2] = [f32::MIN_POSITIVE as f64, 1.0 / f32::MIN_POSITIVE as f64];

/// The mean of some snapshots, and one scale for all of their weights.
#[derive(Clone, Debug)]
pub struct Center {
    /// `[N]`
    means: Vec<f64>,
    /// Root of the mean square around the means; 1 where that is nothing.
    scale: f32,
    /// Sum of squares, in units of the scale, that rounding the snapshots to f32 may put along any direction.
    rounding: f64,
}

impl Center {
    /// Of snapshots `[S, N]`. Errors where they hold values that are no numbers, or differ by more or less than
    /// f32 reaches.
    pub fn of(rows: &[&[f32]]) -> Result<Self> {
        let width = rows.first().map_or(0, |row| row.len());
        let mut means = Vec::with_capacity(width);
        let (mut spread, mut squares) = (0.0, 0.0);
        for start in (0..width).step_by(BLOCK) {
            let end = width.min(start + BLOCK);
            let mut sums = vec![0f64; end - start];
            let mut largest = vec![0f64; end - start];
            for row in rows {
                for ((sum, largest), &value) in sums.iter_mut().zip(&mut largest).zip(&row[start..end]) {
                    *sum += f64::from(value);
                    *largest = largest.max(f64::from(value).abs());
                }
            }
            means.extend(sums.iter().map(|sum| sum / rows.len() as f64));
            let mut around = vec![0f64; end - start];
            for row in rows {
                let each = around.iter_mut().zip(&row[start..end]).zip(&means[start..]);
                each.for_each(|((around, &value), mean)| *around += (f64::from(value) - mean).powi(2));
            }
            spread += around.iter().sum::<f64>();
            // A weight that never changes is not rounded apart either.
            let changes = largest.iter().zip(&around).filter(|(_, around)| **around > 0.0);
            squares += changes.map(|(largest, _)| largest * largest).sum::<f64>();
        }
        let scale = (spread / (rows.len() * width).max(1) as f64).sqrt();
        let scale = if scale == 0.0 { 1.0 } else { scale };
        if !scale.is_finite() {
            return Err(Error::setting(
                "--snapshots",
                "they hold weights that are no finite numbers",
                "log snapshots of a training that did not diverge",
            ));
        }
        if !(SCALES[0]..=SCALES[1]).contains(&scale) {
            return Err(Error::setting(
                "--snapshots",
                format!("they differ by {scale:.1e} in the root mean square, which is beyond f32 arithmetic"),
                "log snapshots that differ by more than 1.2e-38 and by less than 8.5e37",
            ));
        }
        let rounding = 4.0 * squares * (ROUNDING / scale).powi(2);
        Ok(Self { means, scale: scale as f32, rounding })
    }

    /// That of snapshots that are not looked at, where a training is rehearsed.
    pub fn rehearsed(width: usize) -> Self {
        Self { means: vec![0.0; width], scale: 1.0, rounding: 0.0 }
    }

    /// The means as they cross the wire.
    pub fn means(&self) -> Vec<f32> {
        self.means.iter().map(|&mean| mean as f32).collect()
    }

    /// The scale.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Sum of squares up to which what snapshots differ in along a direction may be nothing but the rounding of
    /// their weights to f32: twice what it comes to, in units of the scale.
    pub fn rounding(&self) -> f64 {
        self.rounding
    }

    /// A snapshot's weights from number `first` on, standardised.
    fn standardized<'a>(&'a self, first: usize, values: &'a [f32]) -> impl Iterator<Item = f64> + 'a {
        let scale = f64::from(self.scale);
        values.iter().zip(&self.means[first..]).map(move |(&value, mean)| (f64::from(value) - mean) / scale)
    }

    /// A whole snapshot as a device takes it, and its sum of squares.
    pub fn line(&self, row: &[f32]) -> (Vec<f32>, f64) {
        let line: Vec<f32> = self.standardized(0, row).map(|value| value as f32).collect();
        let squares = line.iter().map(|&value| f64::from(value).powi(2)).sum();
        (line, squares)
    }

    /// Blocks `[B, S]` of standardised snapshots, each with its first weight.
    fn blocks<'a>(&'a self, rows: &'a [&'a [f32]]) -> impl Iterator<Item = (usize, DMatrix<f64>)> + 'a {
        let width = self.means.len();
        (0..width).step_by(BLOCK).map(move |start| {
            let end = width.min(start + BLOCK);
            let values = rows.iter().flat_map(|row| self.standardized(start, &row[start..end]));
            (start, DMatrix::from_iterator(end - start, rows.len(), values))
        })
    }

    /// Products of standardised snapshots with each other, `[S, S]`.
    pub fn products(&self, rows: &[&[f32]]) -> DMatrix<f64> {
        let mut products = DMatrix::zeros(rows.len(), rows.len());
        for (_, block) in self.blocks(rows) {
            products.gemm(1.0, &block.transpose(), &block, 1.0);
        }
        products
    }

    /// Orthonormal combinations of standardised snapshots, by coefficients `[S, K]`: `[K, N]`, row by row.
    ///
    /// The coefficients of a small axis come from a small eigenvalue, which carries the rounding of the largest: what
    /// that leaves of the axes before it is taken out here, and its length is made 1.
    pub fn axes(&self, rows: &[&[f32]], coefficients: &DMatrix<f64>) -> Vec<f32> {
        let mut axes = self.combinations(rows, coefficients);
        orthonormalize(&mut axes, self.means.len());
        axes.into_iter().map(|value| value as f32).collect()
    }

    /// Combinations of standardised snapshots, by coefficients `[S, K]`: `[K, N]`, row by row.
    fn combinations(&self, rows: &[&[f32]], coefficients: &DMatrix<f64>) -> Vec<f64> {
        let width = self.means.len();
        let mut combined = vec![0f64; coefficients.ncols() * width];
        for (start, block) in self.blocks(rows) {
            let block = block * coefficients;
            for (k, column) in block.column_iter().enumerate() {
                let into = &mut combined[k * width + start..][..column.len()];
                into.iter_mut().zip(column.iter()).for_each(|(into, &value)| *into = value);
            }
        }
        combined
    }
}

/// Makes rows of `width` values orthonormal, each against those before it (modified Gram-Schmidt).
pub(super) fn orthonormalize(rows: &mut [f64], width: usize) {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for place in 0..rows.len() / width.max(1) {
        let (before, from_here) = rows.split_at_mut(place * width);
        let row = &mut from_here[..width];
        for other in before.chunks_exact(width) {
            let part = dot(other, row);
            row.iter_mut().zip(other).for_each(|(value, other)| *value -= part * other);
        }
        let length = dot(row, row).sqrt();
        if length > 0.0 {
            row.iter_mut().for_each(|value| *value /= length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_nearly_orthonormal_become_so() {
        let mut rows = vec![1.0, 1e-5, 0.0, 1e-5, 0.999, 0.0, 1e-6, 2e-6, 1.001];
        orthonormalize(&mut rows, 3);
        for (j, a) in rows.chunks_exact(3).enumerate() {
            for (k, b) in rows.chunks_exact(3).enumerate() {
                let product: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                assert!((product - f64::from(u8::from(j == k))).abs() < 1e-15, "{j} {k} {product}");
            }
            assert!(a[j] > 0.99, "it is another axis");
        }
    }

    #[test]
    fn means_and_scale_hold_at_both_ends_of_f32() {
        for size in [1e-37f32, 1e-24, 1.0, 6e17, 1e36] {
            let rows = [[size, 2.0 * size, -size], [3.0 * size, -2.0 * size, size]];
            let center = Center::of(&[&rows[0], &rows[1]]).unwrap();
            let off = |value: f32, due: f32| (f64::from(value) / f64::from(due) - 1.0).abs();
            assert!(off(center.means()[0], 2.0 * size) < 1e-6 && center.means()[1..] == [0.0; 2], "{size}");
            // The mean square of 1, 1, 2, 2, 1, 1.
            assert!(off(center.scale(), size * 2f32.sqrt()) < 1e-6, "{size}: {}", center.scale());
            let (line, squares) = center.line(&rows[1]);
            assert!((squares - 3.0).abs() < 1e-6 && (line[0] - 0.5f32.sqrt()).abs() < 1e-6, "{line:?}");
        }
    }

    #[test]
    fn what_f32_does_not_reach_is_refused() {
        let refused = |rows: [[f32; 2]; 2]| Center::of(&[&rows[0], &rows[1]]).unwrap_err().to_string();
        assert!(refused([[1.0, f32::NAN], [1.0, 2.0]]).contains("no finite numbers"));
        assert!(refused([[1.0, f32::INFINITY], [1.0, 2.0]]).contains("no finite numbers"));
        assert!(refused([[2e38, 0.0], [-2e38, 0.0]]).contains("less than 8.5e37"));
        assert!(refused([[1e-40, 0.0], [0.0, 0.0]]).contains("more than 1.2e-38"));
        // Snapshots that are all alike have no scale; any will do.
        assert_eq!(Center::of(&[&[0.1, 2.0], &[0.1, 2.0]]).unwrap().scale(), 1.0);
    }

    #[test]
    fn a_mean_far_above_the_spread_leaves_no_offset() {
        let rows: Vec<Vec<f32>> =
            (0..3).map(|s| (0..2500).map(|n| 1.0 + 1e-6 * ((s * 7 + n) % 11) as f32).collect()).collect();
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        let center = Center::of(&rows).unwrap();
        let lines: Vec<_> = rows.iter().map(|row| center.line(row).0).collect();
        let offset = |n: usize| lines.iter().map(|line| f64::from(line[n])).sum::<f64>().abs();
        assert!((0..2500).all(|n| offset(n) < 1e-6), "means rounded to f32 are off by up to 0.03");
        // Products and combinations see the same values, over more than one block.
        let products = center.products(&rows);
        for (j, a) in lines.iter().enumerate() {
            for (k, b) in lines.iter().enumerate() {
                let due: f64 = a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
                assert!((products[(j, k)] - due).abs() < 1e-3, "{} {due}", products[(j, k)]);
            }
        }
        let combined =
            center.combinations(&rows, &DMatrix::from_row_slice(3, 2, &[1.0, 0.0, 0.0, 1.0, -1.0, 0.0]));
        for n in 0..2500 {
            assert!((combined[n] - f64::from(lines[0][n] - lines[2][n])).abs() < 1e-5);
            assert!((combined[2500 + n] - f64::from(lines[1][n])).abs() < 1e-6);
        }
    }
}
