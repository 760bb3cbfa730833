//! Dense layers.
//!
//! A layer's weight is `[R, O, I]`, as torch.nn.Linear keeps it. The device keeps every weight as rows of a
//! matrix `[R, N, K]` with the short axis contiguous: for a decoder (N = O, K = I) the kernel `rows_dot` is
//! forward and `rows_sum` the input gradient; for an encoder kept transposed (N = I, K = O) it is the other way
//! round.

use super::activation::Activation;
use super::{each_output, expect_len};

/// The sizes of a dense layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DenseShape {
    /// R.
    pub replicas: usize,
    /// B.
    pub batch: usize,
    /// I.
    pub inputs: usize,
    /// O.
    pub outputs: usize,
}

impl DenseShape {
    /// Values of the input.
    pub fn x(&self) -> usize {
        self.replicas * self.batch * self.inputs
    }

    /// Values of the output.
    pub fn y(&self) -> usize {
        self.replicas * self.batch * self.outputs
    }

    /// Values of the weight.
    pub fn weight(&self) -> usize {
        self.replicas * self.outputs * self.inputs
    }

    /// Values of the bias.
    pub fn bias(&self) -> usize {
        self.replicas * self.outputs
    }

    /// Visits each product that the layer adds up: where its factors lie in x and in w, and where its sum lies in
    /// y. The three passes are this one loop with two of the three read and the third added to.
    fn each_product(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let Self { replicas, batch, inputs, outputs } = *self;
        for r in 0..replicas {
            for b in 0..batch {
                for o in 0..outputs {
                    for i in 0..inputs {
                        let sample = r * batch + b;
                        visit(sample * inputs + i, (r * outputs + o) * inputs + i, sample * outputs + o);
                    }
                }
            }
        }
    }
}

/// `y [R, B, O] = activation(x [R, B, I] . w [R, O, I] + bias [R, O])`, as torch.nn.Linear for each replica.
pub fn forward(x: &[f64], w: &[f64], bias: &[f64], shape: DenseShape, activation: Activation) -> Vec<f64> {
    expect_len("x", x.len(), shape.x());
    expect_len("w", w.len(), shape.weight());
    expect_len("bias", bias.len(), shape.bias());
    let mut y = vec![0.0; shape.y()];
    each_output(y.len(), [shape.replicas, shape.batch, shape.outputs], |at_y, at_bias| {
        y[at_y] = bias[at_bias]
    });
    shape.each_product(|at_x, at_w, at_y| y[at_y] += x[at_x] * w[at_w]);
    y.into_iter().map(|sum| activation.apply(sum)).collect()
}

/// `dx [R, B, I]` from the gradient `dy [R, B, O]` at the pre-activation and the weight `w [R, O, I]`.
pub fn backward_input(dy: &[f64], w: &[f64], shape: DenseShape) -> Vec<f64> {
    expect_len("dy", dy.len(), shape.y());
    expect_len("w", w.len(), shape.weight());
    let mut dx = vec![0.0; shape.x()];
    shape.each_product(|at_x, at_w, at_y| dx[at_x] += dy[at_y] * w[at_w]);
    dx
}

/// `(dw [R, O, I], dbias [R, O])` from the gradient `dy [R, B, O]` at the pre-activation and `x [R, B, I]`.
pub fn backward_weight(dy: &[f64], x: &[f64], shape: DenseShape) -> (Vec<f64>, Vec<f64>) {
    expect_len("dy", dy.len(), shape.y());
    expect_len("x", x.len(), shape.x());
    let mut dw = vec![0.0; shape.weight()];
    shape.each_product(|at_x, at_w, at_y| dw[at_w] += dy[at_y] * x[at_x]);
    let mut dbias = vec![0.0; shape.bias()];
    each_output(dy.len(), [shape.replicas, shape.batch, shape.outputs], |at_y, at_bias| {
        dbias[at_bias] += dy[at_y]
    });
    (dw, dbias)
}
