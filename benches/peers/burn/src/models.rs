//! The models of DESIGN.md in burn.

use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d, Relu};
use burn::prelude::*;

/// Two dense layers with ReLU between: the MNIST classifier, and the shape of the wide autoencoder.
#[derive(Module, Debug)]
pub struct Dense {
    hidden: Linear,
    output: Linear,
    relu: Relu,
}

impl Dense {
    pub fn new([inputs, hidden, outputs]: [usize; 3], device: &Device) -> Self {
        Self {
            hidden: LinearConfig::new(inputs, hidden).init(device),
            output: LinearConfig::new(hidden, outputs).init(device),
            relu: Relu::new(),
        }
    }

    pub fn forward(&self, inputs: Tensor<2>) -> Tensor<2> {
        let hidden = self.relu.forward(self.hidden.forward(inputs));
        self.output.forward(hidden)
    }
}

/// The CIFAR-10 classifier, 550,570 parameters.
#[derive(Module, Debug)]
pub struct Convolutional {
    convolutions: Vec<Conv2d>,
    pool: MaxPool2d,
    hidden: Linear,
    output: Linear,
    relu: Relu,
}

impl Convolutional {
    pub fn new(device: &Device) -> Self {
        let mut channels = 3;
        let mut convolutions = Vec::new();
        for width in [32, 32, 64, 64, 128, 128] {
            let config = Conv2dConfig::new([channels, width], [3, 3]).with_padding(PaddingConfig2d::Same);
            convolutions.push(config.init(device));
            channels = width;
        }
        Self {
            convolutions,
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            hidden: LinearConfig::new(2048, 128).init(device),
            output: LinearConfig::new(128, 10).init(device),
            relu: Relu::new(),
        }
    }

    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut values = images;
        for pair in self.convolutions.chunks(2) {
            for convolution in pair {
                values = self.relu.forward(convolution.forward(values));
            }
            values = self.pool.forward(values);
        }
        let hidden = self.relu.forward(self.hidden.forward(values.flatten::<2>(1, 3)));
        self.output.forward(hidden)
    }
}
