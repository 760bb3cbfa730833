//! What a layer does to its sums.

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
}
