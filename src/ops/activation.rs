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
