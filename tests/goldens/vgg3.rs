//! The CIFAR-10 classifier put together from the twins, in f64: a pass forward, and the gradients of its loss.

use fedfunnel::reference::activation::{self, Activation};
use fedfunnel::reference::conv::{self, ConvShape};
use fedfunnel::reference::dense::{self, DenseShape};
use fedfunnel::reference::loss::softmax_cross_entropy;
use fedfunnel::reference::pool::{self, PoolShape};

/// Samples of a step.
pub const BATCH: usize = 4;

/// A layer, with its sizes.
#[derive(Clone, Copy)]
pub enum Layer {
    /// With ReLU.
    Conv(ConvShape),
    /// The largest of each window.
    Pool(PoolShape),
    /// With its activation.
    Dense(DenseShape, Activation),
}

/// Three blocks of two convolutions and a pool, then two dense layers.
pub fn layers() -> Vec<Layer> {
    let mut layers = Vec::new();
    for (inputs, outputs, size) in [(3, 32, 32), (32, 64, 16), (64, 128, 8)] {
        for inputs in [inputs, outputs] {
            layers.push(Layer::Conv(ConvShape {
                replicas: 1,
                batch: BATCH,
                inputs,
                outputs,
                size: [size; 2],
                kernel: [3; 2],
                stride: [1; 2],
                padding: [[1; 2]; 2],
            }));
        }
        let planes = BATCH * outputs;
        layers.push(Layer::Pool(PoolShape { planes, size: [size; 2], window: [2; 2], stride: [2; 2] }));
    }
    for (inputs, outputs, activation) in [(2048, 128, Activation::Relu), (128, 10, Activation::Linear)] {
        layers.push(Layer::Dense(DenseShape { replicas: 1, batch: BATCH, inputs, outputs }, activation));
    }
    layers
}

/// What a layer decides by comparing.
pub enum Decisions {
    /// Of units: their values before the activation, and values whose signs say which of them are on.
    Units([Vec<f64>; 2]),
    /// Of windows: where in its plane each one's largest value lies.
    Largest(Vec<u32>),
}

/// A pass forward.
pub struct Pass {
    /// The input of each layer, and the last one's output.
    pub values: Vec<Vec<f64>>,
    /// Of each layer.
    pub decisions: Vec<Decisions>,
}

/// A pass of `x` through weights and biases. Where `decided` gives the same values as a device computed them, layer by
/// layer, units are on and values are the largest of their windows where they are so there: rounding moves those that are
/// next to zero or next to each other to the other side.
pub fn forward(tensors: &[[&[f64]; 2]], x: Vec<f64>, decided: Option<&[Vec<f64>]>) -> Pass {
    let mut pass = Pass { values: vec![x], decisions: Vec::new() };
    let mut tensors = tensors.iter();
    for (place, layer) in layers().into_iter().enumerate() {
        let x = &pass.values[place];
        let (sums, activation) = match layer {
            Layer::Pool(shape) => {
                let (_, largest) = pool::max_forward(decided.map_or(x, |decided| &decided[place]), shape);
                let windows = largest.len() / shape.planes;
                let plane = shape.size[0] * shape.size[1];
                let of = |(window, &at): (usize, &u32)| x[window / windows * plane + at as usize];
                pass.values.push(largest.iter().enumerate().map(of).collect());
                pass.decisions.push(Decisions::Largest(largest));
                continue;
            }
            Layer::Conv(shape) => {
                let [w, bias] = tensors.next().expect("tensors of a convolution");
                (conv::forward(x, w, bias, shape, Activation::Linear), Activation::Relu)
            }
            Layer::Dense(shape, activation) => {
                let [w, bias] = tensors.next().expect("tensors of a dense layer");
                (dense::forward(x, w, bias, shape, Activation::Linear), activation)
            }
        };
        let signs = decided.map_or_else(|| sums.clone(), |decided| decided[place + 1].clone());
        let is_on = |sign: f64| activation == Activation::Linear || sign > 0.0;
        let outputs = sums.iter().zip(&signs).map(|(&sum, &sign)| if is_on(sign) { sum } else { 0.0 });
        pass.values.push(outputs.collect());
        pass.decisions.push(Decisions::Units([sums, signs]));
    }
    pass
}

/// The mean loss of a pass, and its gradients in the order of the tensors.
pub fn backward(tensors: &[[&[f64]; 2]], pass: &Pass, labels: &[Option<usize>]) -> (f64, Vec<[Vec<f64>; 2]>) {
    let layers = layers();
    let loss = softmax_cross_entropy(&pass.values[layers.len()], labels, 1, BATCH, 10);
    let mut gradient = loss.dlogits;
    let mut gradients = Vec::new();
    let mut tensors = tensors.iter().rev();
    for (place, layer) in layers.iter().enumerate().rev() {
        let x = &pass.values[place];
        let before = |activation| match &pass.decisions[place] {
            Decisions::Units([_, signs]) => activation::backward(&gradient, signs, activation),
            Decisions::Largest(_) => unreachable!("units decide on no windows"),
        };
        let (dx, own) = match (*layer, &pass.decisions[place]) {
            (Layer::Pool(shape), Decisions::Largest(largest)) => {
                gradient = pool::max_backward(&gradient, largest, shape);
                continue;
            }
            (Layer::Pool(_), Decisions::Units(_)) => unreachable!("windows decide on no units"),
            (Layer::Conv(shape), _) => {
                let [w, _] = tensors.next().expect("tensors of a convolution");
                let dy = before(Activation::Relu);
                (conv::backward_input(&dy, w, shape), conv::backward_weight(&dy, x, shape))
            }
            (Layer::Dense(shape, activation), _) => {
                let [w, _] = tensors.next().expect("tensors of a dense layer");
                let dy = before(activation);
                (dense::backward_input(&dy, w, shape), dense::backward_weight(&dy, x, shape))
            }
        };
        gradients.push([own.0, own.1]);
        gradient = dx;
    }
    gradients.reverse();
    (loss.loss.iter().sum::<f64>() / BATCH as f64, gradients)
}
