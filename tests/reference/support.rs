//! What the modules share: values, how many a layer takes, and the check of a gradient.

use fedfunnel::reference::conv::ConvShape;
use fedfunnel::reference::dense::DenseShape;
use fedfunnel::reference::random::uniform_tensor;

/// Values in [-1, 1), different ones for each `tensor`.
pub fn values(length: usize, tensor: u32) -> Vec<f64> {
    uniform_tensor(length, 0, tensor, 11, 1.0).into_iter().map(f64::from).collect()
}

/// What gradients are checked on: with weights of their own, the gradient at each output differs.
pub fn weighted_sum(y: &[f64], weights: &[f64]) -> f64 {
    y.iter().zip(weights).map(|(y, weight)| y * weight).sum()
}

/// Panics unless an analytic gradient matches a numeric one to what central differences can give in f64.
#[track_caller]
pub fn assert_gradients_agree(analytic: &[f64], numeric: &[f64]) {
    assert_eq!(analytic.len(), numeric.len());
    for i in 0..numeric.len() {
        let difference = (analytic[i] - numeric[i]).abs();
        assert!(difference <= 1e-8, "element {i}: analytic {}, numeric {}", analytic[i], numeric[i]);
    }
}

/// How many values the tensors of a layer have.
pub trait Lengths {
    /// Of the input.
    fn x(&self) -> usize;
    /// Of the output.
    fn y(&self) -> usize;
    /// Of the weight.
    fn weight(&self) -> usize;
    /// Of the bias.
    fn bias(&self) -> usize;
}

impl Lengths for DenseShape {
    fn x(&self) -> usize {
        self.replicas * self.batch * self.inputs
    }

    fn y(&self) -> usize {
        self.replicas * self.batch * self.outputs
    }

    fn weight(&self) -> usize {
        self.replicas * self.outputs * self.inputs
    }

    fn bias(&self) -> usize {
        self.replicas * self.outputs
    }
}

impl Lengths for ConvShape {
    fn x(&self) -> usize {
        self.replicas * self.batch * self.inputs * self.size[0] * self.size[1]
    }

    fn y(&self) -> usize {
        let [height, width] = self.output_size();
        self.replicas * self.batch * self.outputs * height * width
    }

    fn weight(&self) -> usize {
        self.replicas * self.outputs * self.inputs * self.kernel[0] * self.kernel[1]
    }

    fn bias(&self) -> usize {
        self.replicas * self.outputs
    }
}
