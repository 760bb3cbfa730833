//! Principal axes of snapshots, from the products of the snapshots with each other.

use nalgebra::DMatrix;

/// Axes whose share of the largest one's variance is smaller are rounding: products are f32 sums.
const ROUNDING: f64 = 1e-6;

/// Orthonormal axes of the span of S vectors, the one of the largest variance first.
#[derive(Clone, Debug)]
pub(super) struct Axes {
    /// Sum of squares of the vectors along each axis.
    pub spreads: Vec<f64>,
    /// `[S, r]`: what each axis takes of each vector.
    pub coefficients: DMatrix<f64>,
}

impl Axes {
    /// From the Gram matrix `[S, S]`.
    pub fn of(gram: &DMatrix<f64>) -> Self {
        let eigen = gram.clone().symmetric_eigen();
        let mut order: Vec<usize> = (0..gram.nrows()).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let largest = order.first().map_or(0.0, |&first| eigen.eigenvalues[first]);
        order.retain(|&place| eigen.eigenvalues[place] > ROUNDING * largest);
        let spreads: Vec<f64> = order.iter().map(|&place| eigen.eigenvalues[place]).collect();
        let coefficients = DMatrix::from_fn(gram.nrows(), order.len(), |vector, axis| {
            eigen.eigenvectors[(vector, order[axis])] / spreads[axis].sqrt()
        });
        Self { spreads, coefficients }
    }

    /// r
    pub fn rank(&self) -> usize {
        self.spreads.len()
    }
}
