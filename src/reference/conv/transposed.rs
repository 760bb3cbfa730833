//! Transposed convolutions: upsampling, as a decoder of images does it.
//!
//! A transposed convolution is the convolution in the other direction: each input adds a copy of the kernel
//! to the output, where the [mirrored](ConvShape::mirrored) convolution would read one value from it. So its
//! forward pass is that convolution's gradient by the input, its own gradient by the input is that
//! convolution's forward pass, and both have one gradient by the weight, with x and dy in each other's place.
//!
//! Here `inputs` and `size` of a [`ConvShape`] are still those of the layer's own input, and `padding` is
//! what PyTorch calls so: as much is cut off the output. The weight is `[R, C, O, KH, KW]`, as
//! torch.nn.ConvTranspose2d keeps it.

use super::{ConvShape, add_bias, backward_bias};
use crate::reference::activation::Activation;
use crate::reference::expect_len;

impl ConvShape {
    /// OH and OW of the transposed convolution. A stride s reaches one input size from s output sizes;
    /// `output_padding`, below the stride, says which one is meant, by rows at the bottom and columns on the
    /// right.
    pub fn transposed_output_size(&self, output_padding: [usize; 2]) -> [usize; 2] {
        std::array::from_fn(|axis| {
            let (stride, extra) = (self.stride[axis], output_padding[axis]);
            assert!(extra < stride, "an output padding of {extra} is not below the stride of {stride}");
            let [before, after] = self.padding[axis];
            let whole = (self.size[axis] - 1) * stride + self.kernel[axis] + extra;
            assert!(whole > before + after, "a padding of {before} and {after} leaves nothing of {whole}");
            whole - before - after
        })
    }

    /// The convolution that leads from this transposed one's output back to its input.
    pub fn mirrored(&self, output_padding: [usize; 2]) -> ConvShape {
        let size = self.transposed_output_size(output_padding);
        ConvShape { inputs: self.outputs, outputs: self.inputs, size, ..*self }
    }
}

/// `y [R, B, O, OH, OW]` from `x [R, B, C, H, W]`, `w [R, C, O, KH, KW]` and `bias [R, O]`, as
/// torch.nn.ConvTranspose2d for each replica.
pub fn transposed_forward(
    x: &[f64],
    w: &[f64],
    bias: &[f64],
    shape: ConvShape,
    output_padding: [usize; 2],
    activation: Activation,
) -> Vec<f64> {
    expect_len("bias", bias.len(), shape.bias());
    let mut y = super::backward_input(x, w, shape.mirrored(output_padding));
    add_bias(&mut y, bias, shape, activation);
    y
}

/// `dx [R, B, C, H, W]` from the gradient `dy [R, B, O, OH, OW]` at the pre-activation and the weight
/// `w [R, C, O, KH, KW]`.
pub fn transposed_backward_input(
    dy: &[f64],
    w: &[f64],
    shape: ConvShape,
    output_padding: [usize; 2],
) -> Vec<f64> {
    let no_bias = vec![0.0; shape.replicas * shape.inputs];
    super::forward(dy, w, &no_bias, shape.mirrored(output_padding), Activation::Linear)
}

/// `(dw [R, C, O, KH, KW], dbias [R, O])` from the gradient `dy [R, B, O, OH, OW]` at the pre-activation and
/// `x [R, B, C, H, W]`.
pub fn transposed_backward_weight(
    dy: &[f64],
    x: &[f64],
    shape: ConvShape,
    output_padding: [usize; 2],
) -> (Vec<f64>, Vec<f64>) {
    let (dw, _) = super::backward_weight(x, dy, shape.mirrored(output_padding));
    (dw, backward_bias(dy, shape))
}
