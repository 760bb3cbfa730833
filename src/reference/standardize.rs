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

#[cfg(test)]
mod tests {
    use super::*;

    const X: [f64; 6] = [1.0, 2.0, 6.0, -4.0, 0.0, 1.0];
    const MEAN: [f64; 3] = [1.0, 0.0, -2.0];

    #[test]
    fn both_scales_worked_by_hand() {
        assert_eq!(forward(&X, &MEAN, Scale::Global(2.0)), [0.0, 1.0, 4.0, -2.5, 0.0, 1.5]);
        let scale = [1.0, 4.0, 0.5];
        assert_eq!(forward(&X, &MEAN, Scale::PerElement(&scale)), [0.0, 0.5, 16.0, -5.0, 0.0, 6.0]);
    }

    #[test]
    fn inverse_undoes_forward() {
        for scale in [Scale::Global(0.25), Scale::PerElement(&[1.0, 4.0, 0.5])] {
            assert_eq!(inverse(&forward(&X, &MEAN, scale), &MEAN, scale), X);
        }
    }
}
