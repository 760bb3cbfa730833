//! Finite differences, and the check that gradients are held to.

use crate::support::assert_gradients_agree;
use fedfunnel::reference::finite_difference::central_gradient;

#[test]
fn a_polynomial_worked_by_hand() {
    let gradient = central_gradient(|x| x[0] * x[0] * x[1] + 3.0 * x[1], &[2.0, -1.0], 1e-5);
    assert_gradients_agree(&[-4.0, 7.0], &gradient);
}

#[test]
#[should_panic(expected = "element 1")]
fn a_wrong_gradient_is_found() {
    let gradient = central_gradient(|x| x[0] * x[1], &[2.0, -1.0], 1e-5);
    assert_gradients_agree(&[-1.0, 2.001], &gradient);
}
