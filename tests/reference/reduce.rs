//! Weighted averages.

use fedfunnel::reference::reduce::weighted_average;

const X: [f64; 6] = [1.0, 2.0, 6.0, -4.0, 0.0, 1.0];

#[test]
fn averages_weigh_by_share() {
    assert_eq!(weighted_average(&X, &[3.0, 1.0]), [-0.25, 1.5, 4.75]);
    assert_eq!(weighted_average(&X, &[30.0, 10.0]), weighted_average(&X, &[3.0, 1.0]));
    assert_eq!(weighted_average(&X, &[0.0, 2.0]), X[3..]);
}
