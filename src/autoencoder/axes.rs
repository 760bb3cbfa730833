//! Principal axes of snapshots, from the products of the snapshots with each other.

use nalgebra::DMatrix;

/// Eigenvalues whose share of all of them is smaller are the rounding of f64.
const F64_ROUNDING: f64 = 1e-13;

/// Orthonormal axes of the span of S vectors, the one of the largest variance first.
#[derive(Clone, Debug)]
pub(super) struct Axes {
    /// Sum of squares of the vectors along each axis.
    pub spreads: Vec<f64>,
    /// What the vectors differ in beyond the axes, along each direction that is too small to be one.
    pub beyond: Vec<f64>,
    /// `[S, r]`: what each axis takes of each vector.
    pub coefficients: DMatrix<f64>,
}

impl Axes {
    /// From the Gram matrix `[S, S]` of vectors around their mean. A direction is an axis where the vectors' sum
    /// of squares along it is above `least`.
    pub fn of(gram: &DMatrix<f64>, least: f64) -> Self {
        let eigen = gram.clone().symmetric_eigen();
        let mut order: Vec<usize> = (0..gram.nrows()).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        // Around their mean S vectors span one direction less, and the last eigenvalue is rounding.
        order.truncate(gram.nrows().saturating_sub(1));
        let mut spreads: Vec<f64> = order.iter().map(|&place| eigen.eigenvalues[place].max(0.0)).collect();
        let least = least.max(F64_ROUNDING * spreads.iter().sum::<f64>());
        let rank = spreads.iter().take_while(|&&spread| spread > least).count();
        let beyond = spreads.split_off(rank);
        let coefficients = DMatrix::from_fn(gram.nrows(), rank, |vector, axis| {
            eigen.eigenvectors[(vector, order[axis])] / spreads[axis].sqrt()
        });
        Self { spreads, beyond, coefficients }
    }

    /// r
    pub fn rank(&self) -> usize {
        self.spreads.len()
    }

    /// What the first `count` axes leave of the vectors' sum of squares: the sum of what is left, so that nothing
    /// cancels.
    pub fn left_by(&self, count: usize) -> f64 {
        0.0 + self.spreads.iter().chain(&self.beyond).skip(count).sum::<f64>()
    }
}
