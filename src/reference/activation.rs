//! Activations, and their derivatives as functions of their own output.

pub use crate::ops::Activation;

impl Activation {
    /// The output `y` at the pre-activation `x`.
    pub fn apply(self, x: f64) -> f64 {
        match self {
            Self::Linear => x,
            Self::Relu => x.max(0.0),
            Self::Tanh => x.tanh(),
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        }
    }

    /// `dy/dx`, computed from the output `y`: the kernels keep outputs, not pre-activations.
    ///
    /// At its kink ReLU counts as flat (derivative 0), as torch.relu does it.
    pub fn derivative_from_output(self, y: f64) -> f64 {
        match self {
            Self::Linear => 1.0,
            Self::Relu => {
                if y > 0.0 {
                    1.0
                } else {
                    0.0
                }
            }
            Self::Tanh => 1.0 - y * y,
            Self::Sigmoid => y * (1.0 - y),
        }
    }
}

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
    use crate::reference::finite_difference::central_gradient;

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
    fn backward_is_the_chain_rule() {
        let output = [-0.5, 0.0, 0.5];
        assert_eq!(backward(&[2.0, 2.0, 2.0], &output, Activation::Tanh), [1.5, 2.0, 1.5]);
        assert_eq!(backward(&[2.0, 2.0, 2.0], &output, Activation::Relu), [0.0, 0.0, 2.0]);
    }

    #[test]
    fn names_are_lowercase_words() {
        for (activation, name) in Activation::ALL.into_iter().zip(["linear", "relu", "tanh", "sigmoid"]) {
            let quoted = format!("\"{name}\"");
            assert_eq!(serde_json::to_string(&activation).unwrap(), quoted);
            assert_eq!(serde_json::from_str::<Activation>(&quoted).unwrap(), activation);
        }
    }
}
