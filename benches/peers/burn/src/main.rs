//! Works of `fedfunnel bench` in burn 0.22 with its wgpu backend: the same shapes and optimisers, synthetic data.
//! `cargo run --release -- mnist-epoch` prints the JSON list that `fedfunnel bench --json` prints.
//!
//! Each work is done once before it is timed: that is when burn tunes its kernels, which takes minutes the first time
//! and is kept on disk for the next. What has been timed is then looked at, and a work that was not done is an error:
//! a kernel that the adapter refuses does nothing, and nothing is fast.

mod models;

use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::optim::{AdamConfig, GradientsParams, SgdConfig, momentum::MomentumConfig};
use burn::prelude::*;
use burn::tensor::{Distribution, Int, TensorData};
use models::{Convolutional, Dense};
use std::time::Instant;

/// Why a work has no time.
type Outcome = Result<(), String>;

/// What a second of a work is worth.
enum Unit {
    Seconds,
    /// So many of them in one call.
    Rate(&'static str, f64),
}

/// Times `repeats` calls after one to warm up, each until the device has finished.
fn time(device: &Device, repeats: usize, mut work: impl FnMut()) -> Result<Vec<f64>, String> {
    let mut once = || {
        let start = Instant::now();
        work();
        device.sync().map_err(|error| format!("{error:?}"))?;
        Ok(start.elapsed().as_secs_f64())
    };
    once()?;
    (0..repeats).map(|_| once()).collect()
}

fn print(name: &str, unit: &Unit, mut seconds: Vec<f64>) {
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    let (unit, value) = match unit {
        Unit::Seconds => ("s", median),
        Unit::Rate(unit, amount) => (*unit, amount / median),
    };
    let measured = serde_json::json!([{
        "name": name,
        "value": value,
        "unit": unit,
        "seconds": { "median": median, "min": seconds[0], "max": seconds[seconds.len() - 1] },
        "repeats": seconds.len(),
        "device": "wgpu",
    }]);
    println!("{measured:#}");
}

fn cross_entropy(device: &Device) -> CrossEntropyLoss {
    CrossEntropyLossConfig::new().init(device)
}

/// Labels 0 to 9 by turns.
fn labels(count: usize, device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = (0..count as i32).map(|place| place % 10).collect();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

/// Noise with a bright stretch whose place tells the label, so that who trains on it can be seen to learn.
fn images(count: usize, width: usize, device: &Device) -> Tensor<2> {
    let stretch = width / 10;
    let values: Vec<f32> = (0..count * width)
        .map(|at| {
            let noise = (at as u32).wrapping_mul(2_654_435_761) >> 8;
            let bright = (at % width) / stretch == (at / width) % 10;
            noise as f32 / (1 << 24) as f32 * 0.5 + if bright { 0.5 } else { 0.0 }
        })
        .collect();
    Tensor::from_data(TensorData::new(values, [count, width]), device)
}

/// A classifier that has learnt must be surer than one that guesses, whose loss is ln 10.
fn has_learnt(loss: Option<Tensor<1>>) -> Outcome {
    let loss = loss.ok_or("no step was taken")?.into_scalar::<f32>();
    if loss < 10f32.ln() - 0.05 {
        Ok(())
    } else {
        Err(format!("the loss is {loss}, so nothing was learnt and the time means nothing"))
    }
}

/// A step that did something leaves another loss, where too few are taken to learn much.
fn has_moved(losses: Vec<Tensor<1>>) -> Outcome {
    let losses: Vec<f32> = losses.into_iter().map(|loss| loss.into_scalar::<f32>()).collect();
    if losses.windows(2).all(|pair| pair[0] != pair[1]) {
        Ok(())
    } else {
        Err(format!("the losses are {losses:?}, so steps did nothing and the time means nothing"))
    }
}

/// 784-20-10, Adam, 938 steps of 64.
fn mnist_epoch(device: &Device) -> Result<Vec<f64>, String> {
    // 60,000 images of f32 are more than lavapipe's largest buffer: two halves.
    let half = images(30_000, 784, device);
    let targets = labels(30_000, device);
    let mut model = Dense::new([784, 20, 10], device);
    let mut optimizer = AdamConfig::new().init();
    let criterion = cross_entropy(device);
    let mut last = None;
    let seconds = time(device, 3, || {
        for first in (0..30_000).step_by(64).chain((0..30_000).step_by(64)) {
            let end = (first + 64).min(30_000);
            let inputs = half.clone().slice([first..end, 0..784]);
            let loss = criterion.forward(model.forward(inputs), targets.clone().slice([first..end]));
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            model = optimizer.step(1e-3, model.clone(), gradients);
            last = Some(loss);
        }
    })?;
    has_learnt(last)?;
    Ok(seconds)
}

/// The 550,570-parameter classifier, SGD with momentum, 4 steps of 64.
fn cifar_train(device: &Device) -> Result<Vec<f64>, String> {
    let inputs = images(64, 3 * 32 * 32, device).reshape([64, 3, 32, 32]);
    let targets = labels(64, device);
    let mut model = Convolutional::new(device);
    let momentum = MomentumConfig { momentum: 0.9, dampening: 0.0, nesterov: false };
    let mut optimizer = SgdConfig::new().with_momentum(Some(momentum)).init();
    let criterion = cross_entropy(device);
    let mut losses = Vec::new();
    let seconds = time(device, 3, || {
        for _ in 0..4 {
            let loss = criterion.forward(model.forward(inputs.clone()), targets.clone());
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            model = optimizer.step(3e-2, model.clone(), gradients);
            losses.push(loss);
        }
    })?;
    has_moved(losses)?;
    Ok(seconds)
}

/// 550,570-320-550,570, one step of Adam.
fn wide_autoencoder(device: &Device) -> Result<Vec<f64>, String> {
    let width = 550_570;
    let mut model = Dense::new([width, 320, width], device);
    let mut optimizer = AdamConfig::new().init();
    let snapshots = Tensor::<2>::random([8, width], Distribution::Normal(0.0, 1.0), device);
    let mut losses = Vec::new();
    let seconds = time(device, 5, || {
        let loss = (model.forward(snapshots.clone()) - snapshots.clone()).powf_scalar(2.0).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(1e-7, model.clone(), gradients);
        losses.push(loss);
    })?;
    has_moved(losses)?;
    Ok(seconds)
}

/// 512x512 times 512x512, twenty times over so that a call's own cost is spread.
fn matmul(device: &Device) -> Result<Vec<f64>, String> {
    const WIDTH: usize = 512;
    const TIMES: usize = 20;
    let values = |seed: usize| -> Vec<f32> {
        (0..WIDTH * WIDTH).map(|at| ((at * seed) % 1009) as f32 / 1009.0).collect()
    };
    let (left, right) = (values(31), values(57));
    let tensor =
        |values: &[f32]| Tensor::<2>::from_data(TensorData::new(values.to_vec(), [WIDTH, WIDTH]), device);
    let (a, b) = (tensor(&left), tensor(&right));
    let mut product = None;
    let seconds = time(device, 20, || {
        for _ in 0..TIMES {
            product = Some(a.clone().matmul(b.clone()));
        }
    })?;
    let product = product.ok_or("no product was made")?.into_data();
    let product = product.as_slice::<f32>().map_err(|error| format!("{error:?}"))?;
    for at in (0..WIDTH * WIDTH).step_by(4093) {
        let (row, column) = (at / WIDTH, at % WIDTH);
        let term = |k: usize| f64::from(left[row * WIDTH + k]) * f64::from(right[k * WIDTH + column]);
        let expected: f64 = (0..WIDTH).map(term).sum();
        if (f64::from(product[at]) - expected).abs() > 1e-3 * expected {
            return Err(format!("row {row}, column {column} is {} instead of {expected}", product[at]));
        }
    }
    Ok(seconds.into_iter().map(|taken| taken / TIMES as f64).collect())
}

fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    let device = Device::wgpu(Default::default());
    let (unit, outcome) = match name.as_str() {
        "matmul-512" => (Unit::Rate("GFLOP/s", 2.0 * 512f64.powi(3) * 1e-9), matmul(&device)),
        "mnist-epoch" => (Unit::Seconds, mnist_epoch(&device.autodiff())),
        "cifar-train-b64" => (Unit::Rate("images/s", 256.0), cifar_train(&device.autodiff())),
        "wide-ae-adam-b8" => (Unit::Seconds, wide_autoencoder(&device.autodiff())),
        _ => {
            eprintln!(
                "{name:?} is no work; there are matmul-512, mnist-epoch, cifar-train-b64 and wide-ae-adam-b8"
            );
            std::process::exit(2);
        }
    };
    match outcome {
        Ok(seconds) => print(&name, &unit, seconds),
        Err(why) => {
            eprintln!("burn: {name}: {why}");
            std::process::exit(1);
        }
    }
}
