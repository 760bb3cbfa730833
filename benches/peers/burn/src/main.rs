//! Works of `fedfunnel bench` in burn 0.22 with its wgpu backend: the same shapes and optimisers, synthetic data.
//! `cargo run --release -- mnist-epoch` prints the JSON list that `fedfunnel bench --json` prints.
//!
//! Each work is done once before it is timed: that is when burn tunes its kernels, which takes minutes the first
//! time and is kept on disk for the next.

use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d, Relu};
use burn::optim::{AdamConfig, GradientsParams, SgdConfig, momentum::MomentumConfig};
use burn::prelude::*;
use burn::tensor::{Distribution, Int, TensorData};
use std::time::Instant;

/// The MNIST classifier, 784-20-10.
#[derive(Module, Debug)]
struct Dense {
    hidden: Linear,
    output: Linear,
    relu: Relu,
}

impl Dense {
    fn new(device: &Device) -> Self {
        Self {
            hidden: LinearConfig::new(784, 20).init(device),
            output: LinearConfig::new(20, 10).init(device),
            relu: Relu::new(),
        }
    }

    fn forward(&self, images: Tensor<2>) -> Tensor<2> {
        let hidden = self.relu.forward(self.hidden.forward(images));
        self.output.forward(hidden)
    }
}

/// The CIFAR-10 classifier, 550,570 parameters.
#[derive(Module, Debug)]
struct Convolutional {
    convolutions: Vec<Conv2d>,
    pool: MaxPool2d,
    hidden: Linear,
    output: Linear,
    relu: Relu,
}

impl Convolutional {
    fn new(device: &Device) -> Self {
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

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
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

/// Labels 0 to 9 by turns.
fn labels(count: usize, device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = (0..count as i32).map(|place| place % 10).collect();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

fn cross_entropy(device: &Device) -> CrossEntropyLoss {
    CrossEntropyLossConfig::new().init(device)
}

/// Times `repeats` calls after one to warm up, and prints what came of it.
fn report(name: &str, repeats: usize, unit: (&str, Option<f64>), mut work: impl FnMut()) {
    work();
    let mut seconds: Vec<f64> = (0..repeats)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    let median = seconds[repeats / 2];
    let (unit, amount) = unit;
    let measured = serde_json::json!([{
        "name": name,
        "value": amount.map_or(median, |amount| amount / median),
        "unit": unit,
        "seconds": { "median": median, "min": seconds[0], "max": seconds[repeats - 1] },
        "repeats": repeats,
        "device": "wgpu",
    }]);
    println!("{measured:#}");
}

fn mnist_epoch(device: &Device) {
    // 60,000 images of f32 are more than lavapipe's largest buffer: two halves.
    let halves = [0, 1].map(|_| Tensor::<2>::random([30_000, 784], Distribution::Uniform(0.0, 1.0), device));
    let targets = labels(30_000, device);
    let mut model = Dense::new(device);
    let mut optimizer = AdamConfig::new().init();
    let criterion = cross_entropy(device);
    report("mnist-epoch", 3, ("s", None), || {
        let mut last = None;
        for images in &halves {
            for first in (0..30_000).step_by(64) {
                let end = (first + 64).min(30_000);
                let inputs = images.clone().slice([first..end, 0..784]);
                let loss = criterion.forward(model.forward(inputs), targets.clone().slice([first..end]));
                let gradients = GradientsParams::from_grads(loss.backward(), &model);
                model = optimizer.step(1e-3, model.clone(), gradients);
                last = Some(loss);
            }
        }
        // What is read has been computed.
        last.map(|loss| loss.into_scalar::<f32>());
    });
}

fn cifar_train(device: &Device) {
    let images = Tensor::<4>::random([64, 3, 32, 32], Distribution::Uniform(0.0, 1.0), device);
    let targets = labels(64, device);
    let mut model = Convolutional::new(device);
    let momentum = MomentumConfig { momentum: 0.9, dampening: 0.0, nesterov: false };
    let mut optimizer = SgdConfig::new().with_momentum(Some(momentum)).init();
    let criterion = cross_entropy(device);
    report("cifar-train-b64", 3, ("images/s", Some(64.0)), || {
        let loss = criterion.forward(model.forward(images.clone()), targets.clone());
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(1e-3, model.clone(), gradients);
        let _ = model.output.weight.val().slice([0..1, 0..1]).into_data();
    });
}

fn matmul(device: &Device) {
    let operand = || Tensor::<2>::random([512, 512], Distribution::Uniform(0.0, 1.0), device);
    let (a, b) = (operand(), operand());
    report("matmul-512", 9, ("GFLOP/s", Some(2.0 * 512f64.powi(3) * 1e-9)), || {
        let _ = a.clone().matmul(b.clone()).slice([0..1, 0..1]).into_data();
    });
}

fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    let device = Device::wgpu(Default::default());
    match name.as_str() {
        "matmul-512" => matmul(&device),
        "mnist-epoch" => mnist_epoch(&device.autodiff()),
        "cifar-train-b64" => cifar_train(&device.autodiff()),
        _ => {
            eprintln!("{name:?} is no work; there are matmul-512, mnist-epoch and cifar-train-b64");
            std::process::exit(2);
        }
    }
}
