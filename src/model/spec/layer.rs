//! Layers as the network builds them.

use super::Initializer;
use crate::ops::Activation;
use crate::ops::conv::ConvShape;
use crate::ops::pool::Pool;

/// A dense layer as the network builds it.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerSpec {
    /// What comes before "weight" and "bias" in the names of its tensors.
    pub prefix: String,
    /// I
    pub inputs: usize,
    /// O
    pub outputs: usize,
    /// What follows the sums.
    pub activation: Activation,
    /// Initial values.
    pub initializer: Initializer,
    /// Whether the matrix lies transposed, [I, O]: wide layers that narrow.
    pub rows_are_inputs: bool,
    /// Factor on the optimiser's rate.
    pub rate_scale: f32,
}

impl LayerSpec {
    /// How far from zero initial weights and biases reach.
    pub fn bounds(&self) -> (f32, f32) {
        self.initializer.bounds(self.inputs, self.outputs)
    }

    /// Weights and biases.
    pub fn parameters(&self) -> usize {
        self.inputs.saturating_mul(self.outputs).saturating_add(self.outputs)
    }
}

/// A convolution as the network builds it.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvSpec {
    /// What comes before "weight" and "bias" in the names of its tensors.
    pub prefix: String,
    /// Its geometry.
    pub shape: ConvShape,
    /// Takes the small side in and gives the large one.
    pub transposed: bool,
    /// What follows the sums.
    pub activation: Activation,
    /// Initial values.
    pub initializer: Initializer,
    /// Factor on the optimiser's rate.
    pub rate_scale: f32,
}

impl ConvSpec {
    /// How far from zero initial weights and biases reach.
    pub fn bounds(&self) -> (f32, f32) {
        let taps = self.shape.kernel[0] * self.shape.kernel[1];
        // PyTorch takes a weight's second axis for the fan-in, which is C either way.
        self.initializer.bounds(self.shape.inputs * taps, self.shape.outputs * taps)
    }

    /// Weights and biases.
    pub fn parameters(&self) -> usize {
        let biases = if self.transposed { self.shape.inputs } else { self.shape.outputs };
        self.shape.weights().saturating_add(biases)
    }
}

/// A layer of a network.
#[derive(Clone, Debug)]
pub enum NetworkLayer {
    /// Every input to every output.
    Dense(LayerSpec),
    /// A convolution.
    Conv(ConvSpec),
    /// Pooling.
    Pool(Pool),
}

impl From<LayerSpec> for NetworkLayer {
    fn from(layer: LayerSpec) -> Self {
        Self::Dense(layer)
    }
}

impl NetworkLayer {
    /// Values that go in.
    pub fn inputs(&self) -> usize {
        match self {
            Self::Dense(layer) => layer.inputs,
            Self::Conv(layer) if layer.transposed => layer.shape.output_width(),
            Self::Conv(layer) => layer.shape.input_width(),
            Self::Pool(layer) => layer.inputs(),
        }
    }

    /// Values that come out.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Dense(layer) => layer.outputs,
            Self::Conv(layer) if layer.transposed => layer.shape.input_width(),
            Self::Conv(layer) => layer.shape.output_width(),
            Self::Pool(layer) => layer.outputs(),
        }
    }

    /// Weights and biases.
    pub fn parameters(&self) -> usize {
        match self {
            Self::Dense(layer) => layer.parameters(),
            Self::Conv(layer) => layer.parameters(),
            Self::Pool(_) => 0,
        }
    }
}
