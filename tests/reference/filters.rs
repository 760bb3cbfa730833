//! One value for each filter and unit: by hand, and against finite differences.

use crate::support::{assert_gradients_agree, values, weighted_sum};
use fedfunnel::reference::filters::{apply, gradient};
use fedfunnel::reference::finite_difference::central_gradient;

const FILTERS: [usize; 5] = [0, 0, 2, 1, 1];

#[test]
fn worked_by_hand() {
    let (base, coefficients) = ([10.0, 20.0, 30.0, 40.0, 50.0], [1.0, 2.0, 1.0, -3.0, 0.0]);
    assert_eq!(apply(&base, &coefficients, &FILTERS, &[0.5, 2.0, -1.0]), [10.5, 21.0, 29.0, 34.0, 50.0]);
    assert_eq!(gradient(&coefficients, &FILTERS, &[1.0, 2.0, 3.0, 4.0, 5.0], 3), [5.0, -12.0, 3.0]);
}

#[test]
fn gradients_of_values_are_gradients() {
    let (base, coefficients, code) = (values(5, 1), values(5, 2), values(3, 3));
    let weights = values(5, 4);
    let loss =
        |parameters: &[f64]| weighted_sum(&parameters.iter().map(|p| p.tanh()).collect::<Vec<_>>(), &weights);
    let numeric = central_gradient(|code| loss(&apply(&base, &coefficients, &FILTERS, code)), &code, 1e-5);
    let at = apply(&base, &coefficients, &FILTERS, &code);
    let slopes: Vec<_> = at.iter().zip(&weights).map(|(p, w)| w * (1.0 - p.tanh() * p.tanh())).collect();
    assert_gradients_agree(&gradient(&coefficients, &FILTERS, &slopes, 3), &numeric);
}
