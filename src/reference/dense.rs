//! Dense layers, and the three row-wise products that the kernels are made of.
//!
//! A layer's weight is `[R, O, I]`, as torch.nn.Linear keeps it. The device keeps every weight as rows of a
//! matrix `[R, N, K]` with the short axis contiguous, and reaches forward, input gradient and weight gradient
//! through [`rows_dot`], [`rows_sum`] and [`rows_outer`]: for a decoder (N = O, K = I) forward is `rows_dot`;
//! for an encoder kept transposed (N = I, K = O) forward is `rows_sum`.

use super::activation::Activation;
use super::expect_len;

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
}

/// `y [R, B, O] = activation(x [R, B, I] . w [R, O, I] + bias [R, O])`, as torch.nn.Linear for each replica.
pub fn forward(x: &[f64], w: &[f64], bias: &[f64], shape: DenseShape, activation: Activation) -> Vec<f64> {
    let DenseShape { replicas, batch, inputs, outputs } = shape;
    expect_len("x", x.len(), shape.x());
    expect_len("w", w.len(), shape.weight());
    expect_len("bias", bias.len(), replicas * outputs);
    let mut y = vec![0.0; shape.y()];
    for r in 0..replicas {
        for b in 0..batch {
            for o in 0..outputs {
                let mut sum = bias[r * outputs + o];
                for i in 0..inputs {
                    sum += x[(r * batch + b) * inputs + i] * w[(r * outputs + o) * inputs + i];
                }
                y[(r * batch + b) * outputs + o] = activation.apply(sum);
            }
        }
    }
    y
}

/// `dx [R, B, I]` from the gradient `dy [R, B, O]` at the pre-activation and the weight `w [R, O, I]`.
pub fn backward_input(dy: &[f64], w: &[f64], shape: DenseShape) -> Vec<f64> {
    let DenseShape { replicas, batch, inputs, outputs } = shape;
    expect_len("dy", dy.len(), shape.y());
    expect_len("w", w.len(), shape.weight());
    let mut dx = vec![0.0; shape.x()];
    for r in 0..replicas {
        for b in 0..batch {
            for i in 0..inputs {
                let mut sum = 0.0;
                for o in 0..outputs {
                    sum += dy[(r * batch + b) * outputs + o] * w[(r * outputs + o) * inputs + i];
                }
                dx[(r * batch + b) * inputs + i] = sum;
            }
        }
    }
    dx
}

/// `(dw [R, O, I], dbias [R, O])` from the gradient `dy [R, B, O]` at the pre-activation and `x [R, B, I]`.
pub fn backward_weight(dy: &[f64], x: &[f64], shape: DenseShape) -> (Vec<f64>, Vec<f64>) {
    let DenseShape { replicas, batch, inputs, outputs } = shape;
    expect_len("dy", dy.len(), shape.y());
    expect_len("x", x.len(), shape.x());
    let mut dw = vec![0.0; shape.weight()];
    let mut dbias = vec![0.0; replicas * outputs];
    for r in 0..replicas {
        for b in 0..batch {
            for o in 0..outputs {
                let d = dy[(r * batch + b) * outputs + o];
                dbias[r * outputs + o] += d;
                for i in 0..inputs {
                    dw[(r * outputs + o) * inputs + i] += d * x[(r * batch + b) * inputs + i];
                }
            }
        }
    }
    (dw, dbias)
}

/// The sizes of a row-wise product with a matrix of N rows of K columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RowsShape {
    /// R.
    pub replicas: usize,
    /// B.
    pub batch: usize,
    /// N.
    pub rows: usize,
    /// K.
    pub columns: usize,
}

/// `a [R, B, N]` with `a[b, n] = sum over k of c[b, k] * w[n, k]`, from `c [R, B, K]` and `w [R, N, K]`.
pub fn rows_dot(c: &[f64], w: &[f64], shape: RowsShape) -> Vec<f64> {
    let RowsShape { replicas, batch, rows, columns } = shape;
    expect_len("c", c.len(), replicas * batch * columns);
    expect_len("w", w.len(), replicas * rows * columns);
    let mut a = vec![0.0; replicas * batch * rows];
    for r in 0..replicas {
        for b in 0..batch {
            for n in 0..rows {
                for k in 0..columns {
                    a[(r * batch + b) * rows + n] +=
                        c[(r * batch + b) * columns + k] * w[(r * rows + n) * columns + k];
                }
            }
        }
    }
    a
}

/// `c [R, B, K]` with `c[b, k] = sum over n of a[b, n] * w[n, k]`, from `a [R, B, N]` and `w [R, N, K]`.
pub fn rows_sum(a: &[f64], w: &[f64], shape: RowsShape) -> Vec<f64> {
    let RowsShape { replicas, batch, rows, columns } = shape;
    expect_len("a", a.len(), replicas * batch * rows);
    expect_len("w", w.len(), replicas * rows * columns);
    let mut c = vec![0.0; replicas * batch * columns];
    for r in 0..replicas {
        for b in 0..batch {
            for n in 0..rows {
                for k in 0..columns {
                    c[(r * batch + b) * columns + k] +=
                        a[(r * batch + b) * rows + n] * w[(r * rows + n) * columns + k];
                }
            }
        }
    }
    c
}

/// `g [R, N, K]` with `g[n, k] = sum over b of a[b, n] * c[b, k]`, from `a [R, B, N]` and `c [R, B, K]`.
pub fn rows_outer(a: &[f64], c: &[f64], shape: RowsShape) -> Vec<f64> {
    let RowsShape { replicas, batch, rows, columns } = shape;
    expect_len("a", a.len(), replicas * batch * rows);
    expect_len("c", c.len(), replicas * batch * columns);
    let mut g = vec![0.0; replicas * rows * columns];
    for r in 0..replicas {
        for b in 0..batch {
            for n in 0..rows {
                for k in 0..columns {
                    g[(r * rows + n) * columns + k] +=
                        a[(r * batch + b) * rows + n] * c[(r * batch + b) * columns + k];
                }
            }
        }
    }
    g
}
