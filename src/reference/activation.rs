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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backward_is_the_chain_rule() {
        let output = [-0.5, 0.0, 0.5];
        assert_eq!(backward(&[2.0, 2.0, 2.0], &output, Activation::Tanh), [1.5, 2.0, 1.5]);
        assert_eq!(backward(&[2.0, 2.0, 2.0], &output, Activation::Relu), [0.0, 0.0, 2.0]);
    }
}
