//! Convolutions, and in a file beside this one the transposed ones.
//!
//! A layer's weight is `[R, O, C, KH, KW]`, as torch.nn.Conv2d keeps it, and like there the kernel is not
//! mirrored (it is a cross-correlation). A convolution of one dimension is the one of two with H = KH = 1 and
//! no vertical padding.

use super::activation::Activation;
use super::{each_output, expect_len, inside};

mod transposed;

pub use transposed::{transposed_backward_input, transposed_backward_weight, transposed_forward};

/// The sizes of a convolution; pairs are vertical first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConvShape {
    /// R.
    pub replicas: usize,
    /// B.
    pub batch: usize,
    /// C, channels of the input.
    pub inputs: usize,
    /// O, channels of the output.
    pub outputs: usize,
    /// H and W of the input.
    pub size: [usize; 2],
    /// KH and KW.
    pub kernel: [usize; 2],
    /// SH and SW: how far the kernel moves from one output to the next.
    pub stride: [usize; 2],
    /// Zeros around the input: top and bottom, left and right.
    pub padding: [[usize; 2]; 2],
}

impl ConvShape {
    /// OH and OW. As in PyTorch, rows and columns that are too few for one more step of the kernel are left
    /// over.
    pub fn output_size(&self) -> [usize; 2] {
        std::array::from_fn(|axis| {
            let [before, after] = self.padding[axis];
            let (padded, kernel) = (before + self.size[axis] + after, self.kernel[axis]);
            assert!(
                (1..=padded).contains(&kernel) && self.stride[axis] > 0,
                "a kernel of {kernel} with a stride of {} does not fit {padded} padded values",
                self.stride[axis]
            );
            (padded - kernel) / self.stride[axis] + 1
        })
    }

    /// Values of the input.
    pub fn x(&self) -> usize {
        self.replicas * self.batch * self.inputs * self.size[0] * self.size[1]
    }

    /// Values of the output.
    pub fn y(&self) -> usize {
        let [height, width] = self.output_size();
        self.replicas * self.batch * self.outputs * height * width
    }

    /// Values of the weight.
    pub fn weight(&self) -> usize {
        self.replicas * self.outputs * self.inputs * self.kernel[0] * self.kernel[1]
    }

    /// Values of the bias.
    pub fn bias(&self) -> usize {
        self.replicas * self.outputs
    }

    /// Visits each product that the convolution adds up: where its factors lie in x and in w, and where its
    /// sum lies in y. The three passes are this one loop with two of the three read and the
    /// third added to.
    fn each_product(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let Self { replicas, batch, inputs, outputs, size, kernel, stride, padding } = *self;
        let out = self.output_size();
        for r in 0..replicas {
            for b in 0..batch {
                for o in 0..outputs {
                    for c in 0..inputs {
                        let x_plane = (r * batch + b) * inputs + c;
                        let w_plane = (r * outputs + o) * inputs + c;
                        let y_plane = (r * batch + b) * outputs + o;
                        for ky in 0..kernel[0] {
                            for kx in 0..kernel[1] {
                                for oy in 0..out[0] {
                                    let h = inside(oy * stride[0] + ky, padding[0][0], size[0]);
                                    let Some(h) = h else { continue };
                                    for ox in 0..out[1] {
                                        let w = inside(ox * stride[1] + kx, padding[1][0], size[1]);
                                        let Some(w) = w else { continue };
                                        visit(
                                            (x_plane * size[0] + h) * size[1] + w,
                                            (w_plane * kernel[0] + ky) * kernel[1] + kx,
                                            (y_plane * out[0] + oy) * out[1] + ox,
                                        );
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `y [R, B, O, OH, OW] = activation(x [R, B, C, H, W] * w [R, O, C, KH, KW] + bias [R, O])`, as
/// torch.nn.Conv2d for each replica.
pub fn forward(x: &[f64], w: &[f64], bias: &[f64], shape: ConvShape, activation: Activation) -> Vec<f64> {
    expect_len("x", x.len(), shape.x());
    expect_len("w", w.len(), shape.weight());
    expect_len("bias", bias.len(), shape.bias());
    let mut y = vec![0.0; shape.y()];
    shape.each_product(|at_x, at_w, at_y| y[at_y] += x[at_x] * w[at_w]);
    add_bias(&mut y, bias, shape, activation);
    y
}

/// `dx [R, B, C, H, W]` from the gradient `dy [R, B, O, OH, OW]` at the pre-activation and the weight
/// `w [R, O, C, KH, KW]`.
pub fn backward_input(dy: &[f64], w: &[f64], shape: ConvShape) -> Vec<f64> {
    expect_len("dy", dy.len(), shape.y());
    expect_len("w", w.len(), shape.weight());
    let mut dx = vec![0.0; shape.x()];
    shape.each_product(|at_x, at_w, at_y| dx[at_x] += dy[at_y] * w[at_w]);
    dx
}

/// `(dw [R, O, C, KH, KW], dbias [R, O])` from the gradient `dy [R, B, O, OH, OW]` at the pre-activation and
/// `x [R, B, C, H, W]`.
pub fn backward_weight(dy: &[f64], x: &[f64], shape: ConvShape) -> (Vec<f64>, Vec<f64>) {
    expect_len("dy", dy.len(), shape.y());
    expect_len("x", x.len(), shape.x());
    let mut dw = vec![0.0; shape.weight()];
    shape.each_product(|at_x, at_w, at_y| dw[at_w] += dy[at_y] * x[at_x]);
    (dw, backward_bias(dy, shape))
}

/// Turns the sums `y [R, B, O, ..]` into `activation(y + bias [R, O])`.
fn add_bias(y: &mut [f64], bias: &[f64], shape: ConvShape, activation: Activation) {
    each_output(y.len(), [shape.replicas, shape.batch, shape.outputs], |at_y, at_bias| {
        y[at_y] = activation.apply(y[at_y] + bias[at_bias]);
    });
}

/// `dbias [R, O]`: the sum of `dy [R, B, O, ..]` over all but R and O.
fn backward_bias(dy: &[f64], shape: ConvShape) -> Vec<f64> {
    let mut dbias = vec![0.0; shape.bias()];
    each_output(dy.len(), [shape.replicas, shape.batch, shape.outputs], |at_y, at_bias| {
        dbias[at_bias] += dy[at_y]
    });
    dbias
}
