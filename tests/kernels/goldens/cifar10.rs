//! Ten training steps of the CIFAR-10 classifier against PyTorch's.

use super::{Classifier, STEPS, Trained, train};
use crate::golden::Golden;
use crate::support::{gpu, small_gpu, wide};
use fedfunnel::model::{ModelSpec, Network, Optimizer, OptimizerKind};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::random::uniform_tensor;

const BATCH: usize = 4;
const PARAMETERS: usize = 550_570;

/// Its inputs are (image / 255 - 0.5) / 0.25.
const CIFAR10: Classifier = Classifier {
    model: "cifar10-vgg3",
    inputs: "cifar10_vgg3_inputs",
    seed: 11,
    channels: 3,
    width: 3072,
    scale: [1.0 / (255.0 * 0.25), -0.5 / 0.25],
};

/// The names of `nn.Sequential`, in which activations, pools and the flattening are modules too.
const TENSORS: [(&str, &[usize]); 16] = [
    ("0.weight", &[32, 3, 3, 3]),
    ("0.bias", &[32]),
    ("2.weight", &[32, 32, 3, 3]),
    ("2.bias", &[32]),
    ("5.weight", &[64, 32, 3, 3]),
    ("5.bias", &[64]),
    ("7.weight", &[64, 64, 3, 3]),
    ("7.bias", &[64]),
    ("10.weight", &[128, 64, 3, 3]),
    ("10.bias", &[128]),
    ("12.weight", &[128, 128, 3, 3]),
    ("12.bias", &[128]),
    ("16.weight", &[128, 2048]),
    ("16.bias", &[128]),
    ("18.weight", &[10, 128]),
    ("18.bias", &[10]),
];

fn network() -> Network {
    let spec = ModelSpec::load("cifar10-vgg3").unwrap().classifier().unwrap();
    assert_eq!(spec.parameters(), PARAMETERS);
    Network::new(gpu(), &spec.network(), 1, None).unwrap()
}

#[test]
fn names_shapes_and_number_of_parameters_are_pytorch_s() {
    let parameters = network().parameters;
    let tensors = parameters.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.shape.as_slice()));
    assert_eq!(tensors.collect::<Vec<_>>(), TENSORS);
    assert_eq!(parameters.count(), PARAMETERS);
    // Nothing in the arenas but these, and padding to four elements.
    assert_eq!(parameters.arenas.iter().map(|arena| arena.stride).sum::<usize>(), 550_572);
}

#[test]
fn it_begins_with_he_s_initial_values() {
    let parameters = network().parameters;
    parameters.initialize(gpu(), CIFAR10.seed, true).unwrap();
    let flat = parameters.read(gpu()).unwrap().remove(0);
    let mut rest = flat.as_slice();
    for (place, (name, shape)) in TENSORS.into_iter().enumerate() {
        let own;
        (own, rest) = rest.split_at(shape.iter().product());
        let fan_in: usize = shape[1..].iter().product();
        let bound = if shape.len() > 1 { (6.0 / fan_in as f64).sqrt() as f32 } else { 0.0 };
        let expected = wide(&uniform_tensor(own.len(), 0, place as u32, CIFAR10.seed, bound));
        assert_close(name, own, &expected, Tolerance::Exact);
    }
    assert!(rest.is_empty());
}

/// A convolution is not cut: one that does not fit one binding is refused by name.
#[test]
fn a_convolution_beyond_one_binding_is_refused() {
    let layers = ModelSpec::load("cifar10-vgg3").unwrap().classifier().unwrap().network();
    let error = Network::new(small_gpu(), &layers, 1, None).unwrap_err().to_string();
    assert!(error.contains("5.weight") && error.contains("--max-binding-bytes"), "{error}");
}

/// The values of a tensor that the goldens keep, spread evenly over it.
fn sample(tensor: &[f32]) -> Vec<f32> {
    let count = tensor.len().min(4096);
    (0..count).map(|place| tensor[place * tensor.len() / count]).collect()
}

/// A tensor's sum, and beside it, as its scale, what the sum would be if all values had one sign and their
/// root mean square.
fn sums(length: usize, sum: f64, squares: f64) -> [f64; 2] {
    [sum, (length as f64 * squares).sqrt()]
}

/// Where the tensors of a replica differ from a golden's final ones: samples and sums.
fn disagreements(trained: &Trained, flat: &[f32], golden: &Golden, tolerance: Tolerance) -> Vec<String> {
    let mut all = Vec::new();
    for (name, tensor) in trained.split(flat) {
        all.extend(compare(name, &sample(tensor), &wide(&golden.f32(name)), tolerance).err());
        let values = wide(tensor);
        let (sum, squares) = (values.iter().sum(), values.iter().map(|x| x * x).sum());
        let actual = sums(tensor.len(), sum, squares).map(|x| x as f32);
        let [sum, squares] = golden.f64(&format!("sums.{name}"))[..] else { panic!("sums of {name}") };
        let expected = sums(tensor.len(), sum, squares);
        all.extend(compare(&format!("sums of {name}"), &actual, &expected, tolerance).err());
    }
    all
}

/// Trains two replicas, the second with two of its batches exchanged.
fn train_two(optimizer: Optimizer) -> Trained {
    let batch = |step: usize| (0..BATCH).map(|place| (step * BATCH + place) as u32).collect();
    let batches: Vec<Vec<u32>> = (0..STEPS).map(batch).collect();
    let mut other = batches.clone();
    other.swap(7, 8);
    train(gpu(), &CIFAR10, optimizer, &[batches, other])
}

/// Holds a run against its golden, and everything that is not that run against it too.
fn check(name: &str, optimizer: Optimizer, tolerance: Tolerance, another: &str) {
    let trained = train_two(optimizer);
    let golden = Golden::open(name);
    let [flat, other] = &trained.parameters[..] else { panic!("two replicas") };
    let all = disagreements(&trained, flat, &golden, tolerance);
    assert!(all.is_empty(), "{name}: {all:#?}");
    assert_close("losses", &trained.losses[0], &golden.losses(), Tolerance::Balanced);

    // What a golden does not notice, it does not prove: batches out of order, nothing learnt, and what the
    // other optimiser made of it.
    assert!(!disagreements(&trained, other, &golden, tolerance).is_empty());
    assert!(compare("losses", &trained.losses[1], &golden.losses(), Tolerance::Permissive).is_err());
    let tensors = |all: Vec<String>| all.iter().filter(|line| !line.starts_with("sums")).count();
    let untrained = disagreements(&trained, &trained.initial[0], &golden, Tolerance::Permissive);
    assert_eq!(tensors(untrained), TENSORS.len());
    let another = disagreements(&trained, flat, &Golden::open(another), Tolerance::Permissive);
    assert_eq!(tensors(another), TENSORS.len());
}

#[test]
fn it_trains_by_sgd_as_in_pytorch() {
    let sgd = Optimizer { kind: OptimizerKind::Sgd, lr: 0.01, momentum: 0.9, ..Default::default() };
    check("cifar10_vgg3_sgd", sgd, Tolerance::Balanced, "cifar10_vgg3_adam");
}

/// Permissive: Adam's first steps are as long for a gradient of 1e-8 as for any other, and PyTorch's own
/// float32 is off by 9e-5.
#[test]
fn it_trains_by_adam_as_in_pytorch() {
    check("cifar10_vgg3_adam", Optimizer::default(), Tolerance::Permissive, "cifar10_vgg3_sgd");
}
