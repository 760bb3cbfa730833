//! Products of all vectors with each other.

use fedfunnel::reference::gram::{expand, pack, product};

/// Three rows of two vectors.
const X: [f64; 6] = [1.0, 2.0, 3.0, -1.0, 0.0, 4.0];

#[test]
fn worked_by_hand() {
    assert_eq!(pack(&[1.0, 3.0, 0.0, 2.0, -1.0, 4.0], 2), X);
    assert_eq!(product(&X, 2), [10.0, -1.0, -1.0, 21.0]);
    let coefficients = [1.0, 0.0, 2.0, 1.0, -1.0, 0.5];
    assert_eq!(expand(&X, &coefficients, 2), [3.0, -2.0, 3.0, 2.0, 1.0, 5.5, 4.0, -4.0, 2.0]);
}
