//! Layers as the network builds them.

use super::Initializer;
use crate::ops::conv::{Conv, ConvShape};
use crate::ops::dense::Dense;
use crate::ops::pool::Pool;

/// A dense layer as the network builds it.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerSpec {
    /// The prefix of "weight" and "bias" in the names of its tensors.
    pub prefix: String,
    /// What it computes, without a place in a network.
    pub layer: Dense,
    /// Initial values.
    pub initializer: Initializer,
}

impl LayerSpec {
    /// Bounds of the uniform initial weights and biases.
    pub fn bounds(&self) -> (f32, f32) {
        self.initializer.bounds(self.layer.inputs, self.layer.outputs)
    }

    /// Weights and biases.
    pub fn parameters(&self) -> usize {
        self.layer.inputs.saturating_mul(self.layer.outputs).saturating_add(self.layer.outputs)
    }
}

/// A convolution as the network builds it.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvSpec {
    /// The prefix of "weight" and "bias" in the names of its tensors.
    pub prefix: String,
    /// What it computes, without a place in a network.
    pub layer: Conv,
    /// Initial values.
    pub initializer: Initializer,
}

/// A layer before it has a name, an activation and a rate.
pub(super) enum Shape {
    /// Inputs and outputs.
    Dense(usize, usize),
    /// One convolution for each segment.
    Conv { segments: Vec<ConvShape>, transposed: bool },
}

/// Windows along one side, and the zeros before it: of all that they reach beyond the side, half are before
/// it, and where that is odd, the one more is after it.
pub(super) fn same_padding(size: usize, kernel: usize, stride: usize) -> (usize, usize) {
    let windows = size.div_ceil(stride);
    let reach = (windows.max(1) - 1).saturating_mul(stride).saturating_add(kernel);
    (windows, reach.saturating_sub(size) / 2)
}

impl ConvSpec {
    /// Bounds of the uniform initial weights and biases.
    pub fn bounds(&self) -> (f32, f32) {
        let shape = &self.layer.shape;
        // PyTorch takes a weight's second axis for the fan-in, which is C either way.
        self.initializer.bounds(shape.fan_in(), shape.outputs * shape.kernel[0] * shape.kernel[1])
    }

    fn tensors(&self) -> [(String, Vec<usize>); 2] {
        let (s, prefix, biases) = (&self.layer.shape, &self.prefix, self.layer.output_channels());
        let weight = vec![s.outputs, s.inputs, s.kernel[0], s.kernel[1]];
        [(format!("{prefix}weight"), weight), (format!("{prefix}bias"), vec![biases])]
    }

    /// Weights and biases.
    pub fn parameters(&self) -> usize {
        self.layer.shape.weights().saturating_add(self.layer.output_channels())
    }
}

/// A layer of a network.
#[derive(Clone, Debug, PartialEq)]
pub enum NetworkLayer {
    /// Every input to every output.
    Dense(LayerSpec),
    /// Convolutions side by side, each on its own part of the values; they share an activation.
    Conv(Vec<ConvSpec>),
    /// Pooling.
    Pool(Pool),
}

impl From<LayerSpec> for NetworkLayer {
    fn from(layer: LayerSpec) -> Self {
        Self::Dense(layer)
    }
}

impl NetworkLayer {
    /// Bounds of the uniform initial weights and biases; 0 where it has none.
    pub fn bounds(&self) -> (f32, f32) {
        match self {
            Self::Dense(layer) => layer.bounds(),
            Self::Conv(layers) => layers.first().map_or((0.0, 0.0), ConvSpec::bounds),
            Self::Pool(_) => (0.0, 0.0),
        }
    }

    /// Factor on the optimiser's rate; 1 where nothing is learned.
    pub fn rate_scale(&self) -> f32 {
        match self {
            Self::Dense(spec) => spec.layer.rate_scale,
            Self::Conv(layers) => layers.first().map_or(1.0, |spec| spec.layer.rate_scale),
            Self::Pool(_) => 1.0,
        }
    }

    /// Values that go in.
    pub fn inputs(&self) -> usize {
        match self {
            Self::Dense(spec) => spec.layer.inputs,
            Self::Conv(layers) => layers.iter().map(|spec| spec.layer.inputs()).sum(),
            Self::Pool(layer) => layer.inputs(),
        }
    }

    /// Values that come out.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Dense(spec) => spec.layer.outputs,
            Self::Conv(layers) => layers.iter().map(|spec| spec.layer.outputs()).sum(),
            Self::Pool(layer) => layer.outputs(),
        }
    }

    /// Weights and biases.
    pub fn parameters(&self) -> usize {
        match self {
            Self::Dense(layer) => layer.parameters(),
            Self::Conv(layers) => layers.iter().map(ConvSpec::parameters).fold(0, usize::saturating_add),
            Self::Pool(_) => 0,
        }
    }

    /// Weights and biases of several layers together.
    pub(super) fn total_parameters(layers: &[Self]) -> usize {
        layers.iter().map(Self::parameters).fold(0, usize::saturating_add)
    }

    /// The most values that go into or come out of one of several layers.
    pub(super) fn widest(layers: &[Self]) -> usize {
        layers.iter().map(|layer| layer.inputs().max(layer.outputs())).max().unwrap_or(1)
    }

    /// Names and shapes of its tensors in `state_dict` order.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        match self {
            Self::Dense(LayerSpec { prefix, layer, .. }) => vec![
                (format!("{prefix}weight"), vec![layer.outputs, layer.inputs]),
                (format!("{prefix}bias"), vec![layer.outputs]),
            ],
            Self::Conv(layers) => layers.iter().flat_map(ConvSpec::tensors).collect(),
            Self::Pool(_) => Vec::new(),
        }
    }
}
