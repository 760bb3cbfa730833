//! Standardisation there and back.

use fedfunnel::reference::standardize::{Scale, forward, inverse};

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
