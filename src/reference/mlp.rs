//! Twin of shaders/mlp.wgsl: what the twins of two dense layers and their loss come to one after the other. The
//! optimiser's own twin is in [`super::optimizer`].

use super::dense::{self, DenseShape};
use super::loss::{CrossEntropy, softmax_cross_entropy};
use super::{activation, expect_len};
use crate::ops::Activation;

/// Sizes of two dense layers, the first with an activation, and of a batch of one replica.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MlpShape {
    /// B
    pub batch: usize,
    /// Pixels of an image.
    pub inputs: usize,
    /// H
    pub hidden: usize,
    /// O
    pub outputs: usize,
    /// Of the hidden values.
    pub activation: Activation,
}

/// Weights and biases of the first layer, `[H, I]` and `[H]`, and of the second, `[O, H]` and `[O]`; or their
/// gradients.
pub type Layers = [Vec<f64>; 4];

/// The loss of images `[B, I]`, and the gradients of the batch's mean at the parameters.
pub fn step(
    images: &[f64],
    parameters: &Layers,
    labels: &[Option<usize>],
    shape: MlpShape,
) -> (CrossEntropy, Layers) {
    let MlpShape { batch, inputs, hidden, outputs, activation } = shape;
    expect_len("labels", labels.len(), batch);
    let one = DenseShape { replicas: 1, batch, inputs, outputs: hidden };
    let two = DenseShape { replicas: 1, batch, inputs: hidden, outputs };
    let [w1, b1, w2, b2] = parameters;
    let h = dense::forward(images, w1, b1, one, activation);
    let y = dense::forward(&h, w2, b2, two, Activation::Linear);
    let loss = softmax_cross_entropy(&y, labels, 1, batch, outputs);
    let dh = activation::backward(&dense::backward_input(&loss.dlogits, w2, two), &h, activation);
    let (dw1, db1) = dense::backward_weight(&dh, images, one);
    let (dw2, db2) = dense::backward_weight(&loss.dlogits, &h, two);
    (loss, [dw1, db1, dw2, db2])
}
