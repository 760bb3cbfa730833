//! The convolutional family of autoencoders: weights as signals of one or two dimensions.
//!
//! The weights are cut into segments, each an image of one channel: one line of all of them, or each tensor
//! of the classifier as the matrix that it is. Every segment has convolutions of its own, all made after one
//! list of layers, whose strides make it small; the decoder is their mirror image, of transposed
//! convolutions. Where a stride does not divide a size, zeros are added around the segment on the way in and
//! the surplus is cut off on the way out, by geometry alone: nothing is stored twice. The features of all
//! segments, one after the other, are the latent, unless a dense layer makes a smaller one of them.

use super::classifier::Pair;
use super::layer::{Shape, same_padding};
use crate::ops::conv::{ConvShape, ROUNDS};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Convolutions and their mirror image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvFunnel {
    /// P
    pub inputs: usize,
    /// Floats that a dense layer makes of the features; left out, the features are the latent.
    pub latent: Option<usize>,
    /// Rows and columns of each segment, in `state_dict` order; left out, all weights are one line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<[usize; 2]>,
    /// The encoder's, from the weights on.
    pub layers: Vec<FunnelLayer>,
}

/// A convolution of the encoder, and its transpose in the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunnelLayer {
    /// Channels that it makes of each segment.
    pub channels: usize,
    /// Its height and width, cut to those of a segment that is smaller.
    pub kernel: Pair,
    /// Rows and columns from one window to the next, cut likewise.
    pub stride: Pair,
}

/// Larger sizes and numbers of channels are mistakes.
const MOST: usize = 1 << 32;
const MOST_CHANNELS: usize = 1 << 16;

impl ConvFunnel {
    fn segments(&self) -> Vec<[usize; 2]> {
        if self.segments.is_empty() { vec![[1, self.inputs]] } else { self.segments.clone() }
    }

    /// The geometry of each layer of the encoder, by segment.
    fn geometry(&self) -> Vec<Vec<ConvShape>> {
        let mut at: Vec<(usize, [usize; 2])> = self.segments().into_iter().map(|size| (1, size)).collect();
        self.layers
            .iter()
            .map(|layer| {
                let shapes: Vec<_> = at.iter().map(|&(inputs, size)| layer.shape(inputs, size)).collect();
                at = shapes.iter().map(|shape| (shape.outputs, shape.output_size)).collect();
                shapes
            })
            .collect()
    }

    /// Values that the convolutions make of the weights.
    pub(super) fn features(&self) -> usize {
        let last = self.geometry().pop().unwrap_or_default();
        last.iter().map(ConvShape::output_width).sum()
    }

    pub(super) fn latent(&self) -> usize {
        self.latent.unwrap_or_else(|| self.features())
    }

    pub(super) fn encoder_layers(&self) -> usize {
        self.layers.len() + usize::from(self.latent.is_some())
    }

    pub(super) fn shapes(&self) -> Vec<Shape> {
        let geometry = self.geometry();
        let conv =
            |transposed| move |segments: &Vec<_>| Shape::Conv { segments: segments.clone(), transposed };
        let mut shapes: Vec<_> = geometry.iter().map(conv(false)).collect();
        if let Some(latent) = self.latent {
            let features = self.features();
            shapes.extend([Shape::Dense(features, latent), Shape::Dense(latent, features)]);
        }
        shapes.extend(geometry.iter().rev().map(conv(true)));
        shapes
    }

    pub(super) fn check(&self) -> Result<()> {
        let refuse = |field: String, problem: String, mend: &str| Err(Error::setting(field, problem, mend));
        let mut sizes = self.segments.iter().map(|[rows, columns]| rows.checked_mul(*columns));
        let whole = sizes.try_fold(0usize, |sum, size| sum.checked_add(size?));
        if self.inputs == 0 || self.inputs > MOST || self.segments.iter().any(|size| size.contains(&0)) {
            let problem = format!("{} weights in segments {:?}", self.inputs, self.segments);
            return refuse("conv.inputs".into(), problem, "give the classifier's parameters and no zeros");
        }
        if !self.segments.is_empty() && whole != Some(self.inputs) {
            let sum = whole.map_or("too many".into(), |sum| sum.to_string());
            let problem = format!("the segments hold {sum} values, and there are {} weights", self.inputs);
            let mend = "give rows and columns of each tensor, biases too, in the order of the file";
            return refuse("conv.segments".into(), problem, mend);
        }
        if self.layers.is_empty() {
            let mend = "give layers with channels, kernel and stride";
            return refuse("conv.layers".into(), "no layers".into(), mend);
        }
        for (place, layer) in self.layers.iter().enumerate() {
            let field = |name: &str| format!("conv.layers[{place}].{name}");
            let (kernel, stride) = (layer.kernel.values(), layer.stride.values());
            if !(1..=MOST_CHANNELS).contains(&layer.channels) {
                let problem = format!("{} channels", layer.channels);
                return refuse(field("channels"), problem, "use 1 to 65536");
            }
            if stride.contains(&0) {
                return refuse(field("stride"), "0 leads nowhere".into(), "use 1 or more");
            }
            if kernel.iter().zip(stride).any(|(kernel, stride)| *kernel < stride) {
                let problem =
                    format!("a kernel of {kernel:?} leaves weights out between strides of {stride:?}");
                return refuse(field("kernel"), problem, "use a kernel that is no smaller than its stride");
            }
        }
        // A lane has to add a window up.
        for (place, shapes) in self.geometry().iter().enumerate() {
            if let Some(shape) = shapes.iter().find(|shape| shape.rounds() > ROUNDS) {
                let problem =
                    format!("{:?} over {} channels is too large a window", shape.kernel, shape.inputs);
                let field = format!("conv.layers[{place}].kernel");
                return refuse(field, problem, "use a smaller kernel or fewer channels");
            }
        }
        let (features, latent) = (self.features(), self.latent());
        if features >= self.inputs {
            let problem = format!("{features} features are not fewer than the {} weights", self.inputs);
            return refuse("conv.layers".into(), problem, "use larger strides or fewer channels");
        }
        if self.latent.is_some() && (latent == 0 || latent >= features) {
            let problem = format!("a latent of {latent} does not fit {features} features");
            let mend = "use a smaller one, or leave it out to send the features";
            return refuse("conv.latent".into(), problem, mend);
        }
        Ok(())
    }
}

impl FunnelLayer {
    fn shape(&self, inputs: usize, size: [usize; 2]) -> ConvShape {
        let (mut kernel, mut stride) = (self.kernel.values(), self.stride.values());
        let (mut output_size, mut padding) = ([0; 2], [0; 2]);
        for side in 0..2 {
            kernel[side] = kernel[side].min(size[side]);
            stride[side] = stride[side].min(size[side]);
            (output_size[side], padding[side]) = same_padding(size[side], kernel[side], stride[side]);
        }
        ConvShape { inputs, outputs: self.channels, input_size: size, output_size, kernel, stride, padding }
    }
}
