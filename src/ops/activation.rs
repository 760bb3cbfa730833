//! The non-linearities of layers.

use crate::gpu::Tensor;
use serde::{Deserialize, Serialize};

/// The non-linearity of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// y = x
    #[default]
    Linear,
    /// y = max(x, 0)
    Relu,
    /// y = tanh x
    Tanh,
    /// y = 1 / (1 + exp(-x))
    Sigmoid,
}

impl Activation {
    /// Every activation.
    pub const ALL: [Self; 4] = [Self::Linear, Self::Relu, Self::Tanh, Self::Sigmoid];

    /// The number that stands for it in the kernels.
    pub fn code(self) -> u32 {
        self as u32
    }

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
            Self::Relu => f64::from(u8::from(y > 0.0)),
            Self::Tanh => 1.0 - y * y,
            Self::Sigmoid => y * (1.0 - y),
        }
    }
}

/// Values that came out of an activation.
#[derive(Clone, Copy, Debug)]
pub struct Activated<'a> {
    /// `[R, B, N]`
    pub values: &'a Tensor,
    /// The activation.
    pub activation: Activation,
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
    fn names_are_lowercase_words() {
        for (activation, name) in Activation::ALL.into_iter().zip(["linear", "relu", "tanh", "sigmoid"]) {
            let quoted = format!("\"{name}\"");
            assert_eq!(serde_json::to_string(&activation).unwrap(), quoted);
            assert_eq!(serde_json::from_str::<Activation>(&quoted).unwrap(), activation);
        }
    }
}
