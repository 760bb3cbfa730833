//! Holds ten training steps of the CIFAR-10 classifier, put together from the twins, against PyTorch.

use super::{ADAM, Optimizer, STEPS};
use crate::golden::Golden;
use crate::vgg3::{self, BATCH, Layer, layers};
use fedfunnel::reference::compare::{Tolerance, compare};
use fedfunnel::reference::gather::{gather, gather_labels};
use fedfunnel::reference::optimizer::{Sgd, adam, adamw, sgd};
use fedfunnel::reference::random::uniform_tensor;
use safetensors::Dtype;

const SEED: u32 = 11;
const SGD: Sgd = Sgd { learning_rate: 0.01, momentum: 0.9, weight_decay: 0.0 };
/// The modules that hold tensors.
const MODULES: [usize; 8] = [0, 2, 5, 7, 10, 12, 16, 18];

/// One tensor and what its optimiser keeps for it.
struct Tensor {
    value: Vec<f64>,
    first: Vec<f64>,
    second: Vec<f64>,
}

impl Tensor {
    fn new(value: Vec<f64>) -> Self {
        Self { first: vec![0.0; value.len()], second: vec![0.0; value.len()], value }
    }

    fn update(&mut self, gradient: &[f64], optimizer: Optimizer, step: u32) {
        let Self { value, first, second } = self;
        match optimizer {
            Optimizer::Sgd(settings) => sgd(value, gradient, first, settings),
            Optimizer::Adam(settings) => adam(value, gradient, first, second, step, settings),
            Optimizer::AdamW(settings) => adamw(value, gradient, first, second, step, settings),
        }
    }
}

/// A weight and a bias for each layer that has them: He's weights (2015) by the counter generator, biases of
/// zero.
fn initial_tensors() -> Vec<[Tensor; 2]> {
    let mut tensors = Vec::new();
    for layer in layers() {
        let (fan_in, outputs) = match layer {
            Layer::Conv(shape) => (shape.inputs * shape.kernel[0] * shape.kernel[1], shape.outputs),
            Layer::Dense(shape, _) => (shape.inputs, shape.outputs),
            Layer::Pool(_) => continue,
        };
        let bound = (6.0 / fan_in as f64).sqrt() as f32;
        let weight = uniform_tensor(outputs * fan_in, 0, 2 * tensors.len() as u32, SEED, bound);
        let weight = weight.into_iter().map(f64::from).collect();
        tensors.push([Tensor::new(weight), Tensor::new(vec![0.0; outputs])]);
    }
    tensors
}

/// One step; returns the mean loss before it.
fn train(
    tensors: &mut [[Tensor; 2]],
    x: Vec<f64>,
    labels: &[Option<usize>],
    optimizer: Optimizer,
    step: u32,
) -> f64 {
    let values: Vec<_> = tensors.iter().map(|[w, bias]| [&w.value[..], &bias.value]).collect();
    let pass = vgg3::forward(&values, x, None);
    let (loss, gradients) = vgg3::backward(&values, &pass, labels);
    for (tensor, gradient) in tensors.iter_mut().flatten().zip(gradients.iter().flatten()) {
        tensor.update(gradient, optimizer, step);
    }
    loss
}

/// The values of a tensor that the goldens keep, spread evenly over it.
fn sample(tensor: &[f64]) -> Vec<f32> {
    let count = tensor.len().min(4096);
    (0..count).map(|i| tensor[i * tensor.len() / count] as f32).collect()
}

/// Where the tensors differ from a golden's final ones.
fn disagreements(golden: &Golden, tensors: &[[Tensor; 2]], tolerance: Tolerance) -> Vec<String> {
    let mut disagreements = Vec::new();
    for (module, pair) in MODULES.iter().zip(tensors) {
        for (part, tensor) in ["weight", "bias"].iter().zip(pair) {
            let name = format!("{module}.{part}");
            let expected: Vec<f64> = golden.f32(&name).into_iter().map(f64::from).collect();
            disagreements.extend(compare(&name, &sample(&tensor.value), &expected, tolerance).err());
            let sum: f64 = tensor.value.iter().sum();
            let squares: f64 = tensor.value.iter().map(|x| x * x).sum();
            let expected = golden.f64(&format!("sums.{name}"));
            let agrees = (sum - expected[0]).abs() < 1e-8 && (squares - expected[1]).abs() < 1e-8;
            if !agrees {
                disagreements.push(format!("{name}: sums {sum} and {squares}, expected {expected:?}"));
            }
        }
    }
    disagreements
}

fn assert_trains_as(golden: &str, optimizer: Optimizer) -> Vec<[Tensor; 2]> {
    let golden = Golden::open(golden);
    let losses = golden.losses();
    assert_eq!(losses.len(), STEPS);
    let inputs = Golden::open("cifar10_vgg3_inputs");
    let images = inputs.bytes("images", Dtype::U8);
    let labels = inputs.bytes("labels", Dtype::U8);
    let mut tensors = initial_tensors();
    assert_eq!(tensors.iter().flatten().map(|tensor| tensor.value.len()).sum::<usize>(), 550_570);
    for (step, expected) in losses.into_iter().enumerate() {
        let index: Vec<_> = (step * BATCH..(step + 1) * BATCH).map(Some).collect();
        let x = gather(&images, 3072, &index, &[0.5; 3], &[0.25; 3]);
        let labels = gather_labels(&labels, &index);
        let loss = train(&mut tensors, x, &labels, optimizer, step as u32 + 1);
        assert!((loss - expected).abs() < 1e-9, "loss of step {step}: {loss}, expected {expected}");
    }
    let disagreements = disagreements(&golden, &tensors, Tolerance::Strict);
    assert!(disagreements.is_empty(), "{disagreements:?}");
    tensors
}

#[test]
#[cfg_attr(debug_assertions, ignore = "five billion products take minutes without optimisation")]
fn sgd_trains_the_classifier_as_in_pytorch() {
    let tensors = assert_trains_as("cifar10_vgg3_sgd", Optimizer::Sgd(SGD));
    // Goldens that pass what another optimiser trained, or nothing trained, would be worth nothing.
    let adam = Golden::open("cifar10_vgg3_adam");
    assert_eq!(disagreements(&adam, &tensors, Tolerance::Permissive).len(), 32);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "five billion products take minutes without optimisation")]
fn adam_trains_the_classifier_as_in_pytorch() {
    assert_trains_as("cifar10_vgg3_adam", Optimizer::Adam(ADAM));
}

#[test]
fn an_untrained_classifier_is_caught() {
    for golden in ["cifar10_vgg3_sgd", "cifar10_vgg3_adam"] {
        let disagreements = disagreements(&Golden::open(golden), &initial_tensors(), Tolerance::Permissive);
        assert_eq!(disagreements.len(), 32, "{disagreements:?}");
    }
}
