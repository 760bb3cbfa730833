//! Sums, means and extremes of rows.

use fedfunnel::reference::reduce::{max, mean, min, sum, variance, weighted_average};

const X: [f64; 6] = [1.0, 2.0, 6.0, -4.0, 0.0, 1.0];

#[test]
fn rows_worked_by_hand() {
    assert_eq!(sum(&X, 2, 3), [9.0, -3.0]);
    assert_eq!(mean(&X, 2, 3), [3.0, -1.0]);
    assert_eq!(variance(&X, 2, 3), [14.0 / 3.0, 14.0 / 3.0]);
    assert_eq!(min(&X, 2, 3), [1.0, -4.0]);
    assert_eq!(max(&X, 2, 3), [6.0, 1.0]);
    assert_eq!(sum(&X, 3, 2), [3.0, 2.0, 1.0]);
}

#[test]
fn variance_survives_a_large_mean() {
    let far: Vec<f64> = X.iter().map(|x| x + 1e6).collect();
    assert!((variance(&far, 2, 3)[0] - 14.0 / 3.0).abs() < 1e-9);
}

#[test]
fn averages_weigh_by_share() {
    assert_eq!(weighted_average(&X, &[3.0, 1.0]), [-0.25, 1.5, 4.75]);
    assert_eq!(weighted_average(&X, &[30.0, 10.0]), weighted_average(&X, &[3.0, 1.0]));
    assert_eq!(weighted_average(&X, &[0.0, 2.0]), X[3..]);
}
