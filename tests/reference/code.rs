//! Codes through their decoders: by hand, against finite differences, and halves against another implementation.

use crate::support::{assert_gradients_agree, values, weighted_sum};
use fedfunnel::ops::Activation;
use fedfunnel::reference::code::{collect, decode, gradient, half, spread};
use fedfunnel::reference::finite_difference::central_gradient;

/// Two vectors of three parameters.
const BASIS: [f64; 6] = [1.0, 0.0, 2.0, -1.0, 3.0, 0.5];

#[test]
fn worked_by_hand() {
    assert_eq!(decode(&[10.0, 20.0, 30.0], &BASIS, &[2.0, -1.0]), [13.0, 17.0, 33.5]);
    assert_eq!(decode(&[10.0, 20.0, 30.0], &BASIS, &[0.0, 0.0]), [10.0, 20.0, 30.0]);
    assert_eq!(gradient(&BASIS, &[1.0, 2.0, 4.0]), [9.0, 7.0]);
    assert_eq!(spread(&[1.0, 2.0], 0.5, &[3.0, -1.0], &[1.0, 1.0]), [2.0, 1.0]);
    assert_eq!(collect(0.5, &[4.0, -6.0], &[9.0, 9.0], Activation::Linear), [2.0, -3.0]);
    assert_eq!(collect(0.5, &[4.0, -6.0], &[0.0, 0.5], Activation::Tanh), [2.0, -2.25]);
}

/// A loss whose gradient differs at each parameter, and that gradient.
fn loss(parameters: &[f64], weights: &[f64]) -> f64 {
    weighted_sum(&parameters.iter().map(|p| p.tanh()).collect::<Vec<_>>(), weights)
}

fn slopes(parameters: &[f64], weights: &[f64]) -> Vec<f64> {
    parameters.iter().zip(weights).map(|(p, weight)| weight * (1.0 - p.tanh() * p.tanh())).collect()
}

#[test]
fn gradients_of_codes_are_gradients() {
    for (parameters, floats) in [(1, 1), (13, 5), (40, 10)] {
        let (base, basis) = (values(parameters, 1), values(floats * parameters, 2));
        let (code, weights) = (values(floats, 3), values(parameters, 4));
        let numeric = central_gradient(|code| loss(&decode(&base, &basis, code), &weights), &code, 1e-5);
        let analytic = gradient(&basis, &slopes(&decode(&base, &basis, &code), &weights));
        assert_gradients_agree(&analytic, &numeric);
    }
}

#[test]
fn collected_gradients_are_gradients() {
    let (base, sums, before, weights) = (values(9, 5), values(9, 6), values(9, 7), values(9, 8));
    let scale = -0.7;
    for activation in Activation::ALL {
        let now = |sums: &[f64]| sums.iter().map(|&sum| activation.apply(sum)).collect::<Vec<_>>();
        let numeric =
            central_gradient(|sums| loss(&spread(&base, scale, &now(sums), &before), &weights), &sums, 1e-5);
        let slopes = slopes(&spread(&base, scale, &now(&sums), &before), &weights);
        assert_gradients_agree(&collect(scale, &slopes, &now(&sums), activation), &numeric);
    }
}

#[test]
fn halves_worked_by_hand() {
    let spacing = 2f64.powi(-24);
    for (x, expected) in [
        (0.0, 0.0),
        (0.1, 0.099_975_585_937_5),
        (2049.0, 2048.0),
        (2051.0, 2052.0),
        (-2049.5, -2050.0),
        (1.0 - 2f64.powi(-12), 1.0),
        (2f64.powi(-14) - spacing / 2.0, 2f64.powi(-14)),
        (1.5 * spacing, 2.0 * spacing),
        (0.5 * spacing, 0.0),
        (0.51 * spacing, spacing),
        (1e-30, 0.0),
        (65_504.0, 65_504.0),
        (65_519.0, 65_504.0),
        (65_520.0, 65_504.0),
        (1e9, 65_504.0),
        (-1e9, -65_504.0),
    ] {
        assert_eq!(half(x), expected, "{x}");
    }
    assert!(half(-0.0).is_sign_negative());
}

/// Each value of half precision, the middle between it and the next one, and the values of f32 beside that.
#[test]
fn halves_are_those_of_another_implementation() {
    for bits in 0..half::f16::MAX.to_bits() {
        let [value, next] = [bits, bits + 1].map(|bits| half::f16::from_bits(bits).to_f32());
        let middle = (value + next) / 2.0;
        for x in [value, middle, middle.next_down(), middle.next_up()] {
            for x in [x, -x] {
                assert_eq!(half(x.into()), half::f16::from_f32(x).to_f64(), "{x:e}");
            }
        }
    }
}
