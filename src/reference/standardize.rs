//! Standardising snapshots: off with the mean, down to unit scale, and back.

use super::expect_len;

/// What a centred value is divided by.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Scale<'a> {
    /// One number for all elements.
    Global(f64),
    /// One number for each element, `[P]`.
    PerElement(&'a [f64]),
}

impl Scale<'_> {
    fn at(&self, p: usize) -> f64 {
        match self {
            Self::Global(scale) => *scale,
            Self::PerElement(scale) => scale[p],
        }
    }

    fn check(&self, parameters: usize) {
        if let Self::PerElement(scale) = self {
            expect_len("scale", scale.len(), parameters);
        }
    }
}

/// `(x - mean) / scale` for each row of `x [S, P]`, with `mean [P]`.
pub fn forward(x: &[f64], mean: &[f64], scale: Scale<'_>) -> Vec<f64> {
    by_row(x, mean, scale, |x, mean, scale| (x - mean) / scale)
}

/// `z * scale + mean` for each row of `z [S, P]`, with `mean [P]`: the inverse of [`forward`].
pub fn inverse(z: &[f64], mean: &[f64], scale: Scale<'_>) -> Vec<f64> {
    by_row(z, mean, scale, |z, mean, scale| z * scale + mean)
}

fn by_row(x: &[f64], mean: &[f64], scale: Scale<'_>, element: impl Fn(f64, f64, f64) -> f64) -> Vec<f64> {
    let parameters = mean.len();
    assert!(
        parameters > 0 && x.len().is_multiple_of(parameters),
        "{} elements in rows of {parameters}",
        x.len()
    );
    scale.check(parameters);
    let mut result = vec![0.0; x.len()];
    for s in 0..x.len() / parameters {
        for p in 0..parameters {
            result[s * parameters + p] = element(x[s * parameters + p], mean[p], scale.at(p));
        }
    }
    result
}
