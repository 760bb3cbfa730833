//! How the weights and biases of a layer start.

use serde::{Deserialize, Serialize};

/// Initial values of a layer; all of them uniform, so that they are the same on every adapter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Initializer {
    /// Weights and biases within 1/sqrt(I), as `torch.nn.Linear` starts.
    #[default]
    Torch,
    /// Weights within sqrt(6/I), biases zero (He et al. 2015).
    He,
    /// Weights within sqrt(6/(I+O)), biases zero (Glorot and Bengio 2010).
    Glorot,
}

impl Initializer {
    /// Bounds of the uniform initial weights and biases.
    pub(super) fn bounds(self, fan_in: usize, fan_out: usize) -> (f32, f32) {
        let (inputs, outputs) = (fan_in as f64, fan_out as f64);
        match self {
            Self::Torch => {
                let bound = (1.0 / inputs.sqrt()) as f32;
                (bound, bound)
            }
            Self::He => ((6.0 / inputs).sqrt() as f32, 0.0),
            Self::Glorot => ((6.0 / (inputs + outputs)).sqrt() as f32, 0.0),
        }
    }
}
