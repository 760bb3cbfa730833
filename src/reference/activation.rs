//! The way back through an activation. The functions themselves are [`Activation`]'s own, in f64.

pub use crate::ops::Activation;

/// The gradient at the pre-activation from the gradient at the output; `gradient` and `output` have one
/// shape.
pub fn backward(gradient: &[f64], output: &[f64], activation: Activation) -> Vec<f64> {
    super::expect_len("output", output.len(), gradient.len());
    let mut at_pre_activation = vec![0.0; gradient.len()];
    for i in 0..gradient.len() {
        at_pre_activation[i] = gradient[i] * activation.derivative_from_output(output[i]);
    }
    at_pre_activation
}
