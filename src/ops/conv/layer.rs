//! One convolution of a network: its geometry, its place, and what its kernels share.

use super::shape::{ConvShape, Part};
use crate::gpu::{Buffer, Tensor};
use crate::ops::Activation;
use std::ops::Range;

/// Rounds of all of a lane's loops together, for which a dispatch is made: lavapipe's compiler leaves every
/// loop, silently, after 65,535.
pub(crate) const ROUNDS: usize = 60_000;

/// Cuts what a lane adds up, `count` parts of so many rounds each, into the ranges of several dispatches.
pub(super) fn dispatches(count: usize, rounds: usize) -> impl Iterator<Item = Range<u32>> {
    let most = (ROUNDS / rounds).max(1);
    (0..count).step_by(most).map(move |first| first as u32..count.min(first + most) as u32)
}

/// A layer of that geometry.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    /// Its geometry.
    pub shape: ConvShape,
    /// Where its large side lies.
    pub large: Part,
    /// Where its small side lies.
    pub small: Part,
    /// Takes the small side in and gives the large one.
    pub transposed: bool,
    /// The activation of the sums.
    pub activation: Activation,
    /// Factor on the optimiser's rate.
    pub rate_scale: f32,
    /// Which arena of the model's parameters.
    pub arena: usize,
    /// Element of replica 0's first weight; its biases follow its weights.
    pub weight_offset: usize,
}

/// What the gradients of a convolution's weights are formed of, and where they go.
#[derive(Clone, Copy)]
pub(super) struct GradientPass<'a> {
    /// The values of the large side, or their gradient.
    pub large: &'a Tensor,
    /// The same of the small side.
    pub small: &'a Tensor,
    /// `[R, stride]`
    pub gradients: &'a Buffer,
    /// Elements from one replica to the next.
    pub stride: usize,
}

impl Conv {
    /// A layer whose sides are all that their lines hold, and which has no place among the parameters yet.
    pub fn new(shape: ConvShape, transposed: bool, activation: Activation) -> Self {
        Self {
            shape,
            large: Part::whole(shape.input_width()),
            small: Part::whole(shape.output_width()),
            transposed,
            activation,
            rate_scale: 1.0,
            arena: 0,
            weight_offset: 0,
        }
    }

    /// Values that go in.
    pub fn inputs(&self) -> usize {
        if self.transposed { self.shape.output_width() } else { self.shape.input_width() }
    }

    /// Values that come out.
    pub fn outputs(&self) -> usize {
        if self.transposed { self.shape.input_width() } else { self.shape.output_width() }
    }

    /// Channels that come out, each with a bias.
    pub fn output_channels(&self) -> usize {
        if self.transposed { self.shape.inputs } else { self.shape.outputs }
    }

    /// Whether its sides are all that their lines hold.
    pub(super) fn is_whole(&self) -> bool {
        self.large == Part::whole(self.shape.input_width())
            && self.small == Part::whole(self.shape.output_width())
    }
}
