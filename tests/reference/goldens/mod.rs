//! Holds the twins against ten training steps of PyTorch (`tests/goldens/`), and the goldens against
//! mistakes.

use crate::golden::Golden;
use fedfunnel::reference::activation::{self, Activation};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::dense::{self, DenseShape};
use fedfunnel::reference::gather::{gather, gather_labels};
use fedfunnel::reference::loss::{mean_squared_error, softmax_cross_entropy};
use fedfunnel::reference::optimizer::{Adam, Sgd, adam, adamw, sgd};
use fedfunnel::reference::random::uniform_tensor;
use safetensors::Dtype;

mod cifar10;
mod conv_small;

const NAMES: [&str; 4] = ["0.weight", "0.bias", "2.weight", "2.bias"];
const STEPS: usize = 10;

/// Two dense layers and one step of their optimiser, put together from the twins.
struct Model {
    shapes: [DenseShape; 2],
    hidden: Activation,
    /// In the order of [`NAMES`].
    tensors: [Vec<f64>; 4],
    /// Momentum buffer, or first moment.
    first: [Vec<f64>; 4],
    second: [Vec<f64>; 4],
    step: u32,
}

#[derive(Clone, Copy)]
enum Optimizer {
    Sgd(Sgd),
    Adam(Adam),
    AdamW(Adam),
}

const SGD: Sgd = Sgd { learning_rate: 0.05, momentum: 0.9, weight_decay: 1e-3 };
const ADAM: Adam = Adam { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };
const ADAMW: Adam = Adam { weight_decay: 0.5, ..ADAM };

/// As the goldens' script makes them: weight and bias uniform below 1 / sqrt(inputs), replica 0, seed 7.
fn initial_tensors(shapes: [DenseShape; 2]) -> [Vec<f32>; 4] {
    std::array::from_fn(|tensor| {
        let DenseShape { inputs, outputs, .. } = shapes[tensor / 2];
        let length = if tensor % 2 == 0 { outputs * inputs } else { outputs };
        uniform_tensor(length, 0, tensor as u32, 7, (1.0 / (inputs as f64).sqrt()) as f32)
    })
}

impl Model {
    fn new(batch: usize, sizes: [usize; 3], hidden: Activation) -> Self {
        let shapes = [0, 1].map(|layer| DenseShape {
            replicas: 1,
            batch,
            inputs: sizes[layer],
            outputs: sizes[layer + 1],
        });
        let tensors = initial_tensors(shapes).map(|x| x.into_iter().map(f64::from).collect::<Vec<_>>());
        let zeros = || std::array::from_fn(|tensor| vec![0.0; tensors[tensor].len()]);
        Self { shapes, hidden, first: zeros(), second: zeros(), tensors, step: 0 }
    }

    /// One step; `loss` turns outputs into losses per sample and the gradient. Returns the mean loss before
    /// it.
    fn train(
        &mut self,
        x: &[f64],
        optimizer: Optimizer,
        loss: impl Fn(&[f64]) -> (Vec<f64>, Vec<f64>),
    ) -> f64 {
        let [first, second] = self.shapes;
        let h = dense::forward(x, &self.tensors[0], &self.tensors[1], first, self.hidden);
        let y = dense::forward(&h, &self.tensors[2], &self.tensors[3], second, Activation::Linear);
        let (losses, dy) = loss(&y);
        let (dw2, db2) = dense::backward_weight(&dy, &h, second);
        let dh = activation::backward(&dense::backward_input(&dy, &self.tensors[2], second), &h, self.hidden);
        let (dw1, db1) = dense::backward_weight(&dh, x, first);
        self.step += 1;
        for (tensor, g) in [dw1, db1, dw2, db2].iter().enumerate() {
            let p = &mut self.tensors[tensor];
            let (m, v) = (&mut self.first[tensor], &mut self.second[tensor]);
            match optimizer {
                Optimizer::Sgd(settings) => sgd(p, g, m, settings),
                Optimizer::Adam(settings) => adam(p, g, m, v, self.step, settings),
                Optimizer::AdamW(settings) => adamw(p, g, m, v, self.step, settings),
            }
        }
        losses.iter().sum::<f64>() / losses.len() as f64
    }

    /// Disagreements of the tensors with a golden's final ones.
    fn disagreements(&self, golden: &Golden, tolerance: Tolerance) -> Vec<String> {
        let compare_one = |(name, tensor): (&&str, &Vec<f64>)| {
            let actual: Vec<f32> = tensor.iter().map(|&x| x as f32).collect();
            let expected: Vec<f64> = golden.f32(name).into_iter().map(f64::from).collect();
            compare(name, &actual, &expected, tolerance).err()
        };
        NAMES.iter().zip(&self.tensors).filter_map(compare_one).collect()
    }
}

/// Ten steps of the MNIST classifier; returns the model and its losses.
fn train_classifier(optimizer: Optimizer, steps_before: u32) -> (Model, Vec<f64>) {
    const BATCH: usize = 16;
    let inputs = Golden::open("mnist_mlp_inputs");
    let images = inputs.bytes("images", Dtype::U8);
    let labels = inputs.bytes("labels", Dtype::U8);
    let mut model = Model::new(BATCH, [784, 20, 10], Activation::Relu);
    model.step = steps_before;
    let losses = (0..STEPS).map(|step| {
        let index: Vec<_> = (step * BATCH..(step + 1) * BATCH).map(Some).collect();
        let x = gather(&images, 784, &index, &[0.0], &[1.0]);
        let labels = gather_labels(&labels, &index);
        model.train(&x, optimizer, |y| {
            let result = softmax_cross_entropy(y, &labels, 1, BATCH, 10);
            (result.loss, result.dlogits)
        })
    });
    let losses = losses.collect();
    (model, losses)
}

/// Ten steps of the autoencoder; returns the model and its losses.
fn train_autoencoder(latent: Activation) -> (Model, Vec<f64>) {
    const ROWS: usize = 11;
    let snapshots: Vec<f64> =
        Golden::open("autoencoder_inputs").f32("snapshots").into_iter().map(f64::from).collect();
    let mut model = Model::new(ROWS, [403, 7, 403], latent);
    let losses = (0..STEPS).map(|_| {
        model.train(&snapshots, Optimizer::Adam(ADAM), |y| {
            let result = mean_squared_error(y, &snapshots, None, 1, ROWS, 403);
            (result.loss, result.dy)
        })
    });
    let losses = losses.collect();
    (model, losses)
}

#[track_caller]
fn assert_agrees(golden: &Golden, (model, losses): &(Model, Vec<f64>)) {
    // Both are f64, so the losses agree far beyond what any f32 kernel is asked for.
    for (step, (actual, expected)) in losses.iter().zip(golden.losses()).enumerate() {
        assert!((actual - expected).abs() < 1e-12, "loss of step {step}: {actual}, expected {expected}");
    }
    assert_eq!(losses.len(), STEPS);
    let disagreements = model.disagreements(golden, Tolerance::Strict);
    assert!(disagreements.is_empty(), "{disagreements:?}");
}

#[test]
fn classifier_trains_as_in_pytorch() {
    for (name, optimizer) in
        [("sgd", Optimizer::Sgd(SGD)), ("adam", Optimizer::Adam(ADAM)), ("adamw", Optimizer::AdamW(ADAMW))]
    {
        assert_agrees(&Golden::open(&format!("mnist_mlp_{name}")), &train_classifier(optimizer, 0));
    }
}

#[test]
fn autoencoder_trains_as_in_pytorch() {
    assert_agrees(&Golden::open("autoencoder_adam"), &train_autoencoder(Activation::Linear));
    assert_agrees(&Golden::open("autoencoder_tanh_adam"), &train_autoencoder(Activation::Tanh));
}

#[test]
fn initial_tensors_are_the_counter_generators() {
    let classifier = Model::new(16, [784, 20, 10], Activation::Relu).shapes;
    let autoencoder = Model::new(11, [403, 7, 403], Activation::Linear).shapes;
    for (file, shapes) in [
        ("mnist_mlp_adam", classifier),
        ("autoencoder_adam", autoencoder),
        ("autoencoder_tanh_adam", autoencoder),
    ] {
        let golden = Golden::open(file);
        for (name, tensor) in NAMES.iter().zip(initial_tensors(shapes)) {
            let expected: Vec<f64> =
                golden.f32(&format!("initial.{name}")).into_iter().map(f64::from).collect();
            assert_close(name, &tensor, &expected, Tolerance::Exact);
        }
    }
}

/// Goldens that a mistake in the optimiser passes would be worth nothing.
#[test]
fn goldens_catch_wrong_optimisers() {
    let mistakes = [
        ("sgd", "without momentum", Optimizer::Sgd(Sgd { momentum: 0.0, ..SGD }), 0),
        ("sgd", "without weight decay", Optimizer::Sgd(Sgd { weight_decay: 0.0, ..SGD }), 0),
        ("adam", "steps numbered from 2", Optimizer::Adam(ADAM), 1),
        ("adam", "another second decay", Optimizer::Adam(Adam { beta2: 0.99, ..ADAM }), 0),
        ("adam", "a larger epsilon", Optimizer::Adam(Adam { epsilon: 1e-6, ..ADAM }), 0),
        ("adamw", "without weight decay", Optimizer::AdamW(ADAM), 0),
        ("adamw", "decay as a penalty", Optimizer::Adam(ADAMW), 0),
    ];
    for (name, mistake, optimizer, steps_before) in mistakes {
        let (model, _) = train_classifier(optimizer, steps_before);
        let golden = Golden::open(&format!("mnist_mlp_{name}"));
        for tolerance in [Tolerance::Strict, Tolerance::Balanced, Tolerance::Permissive] {
            let disagreements = model.disagreements(&golden, tolerance);
            assert!(!disagreements.is_empty(), "{name}, {mistake}, passes as {tolerance:?}");
        }
    }
    let (linear, _) = train_autoencoder(Activation::Linear);
    assert!(!linear.disagreements(&Golden::open("autoencoder_tanh_adam"), Tolerance::Permissive).is_empty());
}
