//! The activations: their derivatives from outputs, and the chain rule.

use fedfunnel::reference::activation::{Activation, backward};
use fedfunnel::reference::finite_difference::central_gradient;

#[test]
fn backward_is_the_chain_rule() {
    let output = [-0.5, 0.0, 0.5];
    assert_eq!(backward(&[2.0, 2.0, 2.0], &output, Activation::Tanh), [1.5, 2.0, 1.5]);
    assert_eq!(backward(&[2.0, 2.0, 2.0], &output, Activation::Relu), [0.0, 0.0, 2.0]);
}

#[test]
fn derivatives_agree_with_finite_differences() {
    for activation in Activation::ALL {
        for x in [-3.1, -0.7, -0.01, 0.02, 0.9, 2.6] {
            let numeric = central_gradient(|at| activation.apply(at[0]), &[x], 1e-5)[0];
            let analytic = activation.derivative_from_output(activation.apply(x));
            assert!((numeric - analytic).abs() < 1e-9, "{activation:?} at {x}: {numeric} and {analytic}");
        }
    }
}

#[test]
fn relu_is_flat_at_its_kink() {
    assert_eq!(Activation::Relu.derivative_from_output(0.0), 0.0);
}

#[test]
fn names_are_lowercase_words() {
    for (activation, name) in Activation::ALL.into_iter().zip(["linear", "relu", "tanh", "sigmoid"]) {
        let quoted = format!("\"{name}\"");
        assert_eq!(serde_json::to_string(&activation).unwrap(), quoted);
        assert_eq!(serde_json::from_str::<Activation>(&quoted).unwrap(), activation);
    }
}
