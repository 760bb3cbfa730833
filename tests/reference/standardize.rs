//! Standardisation there and back.

use fedfunnel::reference::standardize::{forward, inverse};

const X: [f64; 6] = [1.0, 2.0, 6.0, -4.0, 0.0, 1.0];
const MEAN: [f64; 3] = [1.0, 0.0, -2.0];

#[test]
fn a_scale_worked_by_hand() {
    assert_eq!(forward(&X, &MEAN, 2.0), [0.0, 1.0, 4.0, -2.5, 0.0, 1.5]);
}

#[test]
fn inverse_undoes_forward() {
    assert_eq!(inverse(&forward(&X, &MEAN, 0.25), &MEAN, 0.25), X);
}
