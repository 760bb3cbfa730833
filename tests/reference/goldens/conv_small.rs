//! Holds the convolutions and the pools, each alone, against PyTorch.

use crate::golden::Golden;
use fedfunnel::reference::activation::Activation;
use fedfunnel::reference::conv::{self, ConvShape};
use fedfunnel::reference::pool::{self, PoolShape};
use safetensors::Dtype;

const CONV2D: ConvShape = ConvShape {
    replicas: 2,
    batch: 2,
    inputs: 3,
    outputs: 5,
    size: [7, 9],
    kernel: [5, 5],
    stride: [2, 2],
    padding: [[2, 2], [1, 1]],
};

const LOPSIDED: ConvShape =
    ConvShape { outputs: 4, kernel: [2, 5], stride: [3, 2], padding: [[0, 1], [3, 2]], ..CONV2D };

const CONV1D: ConvShape = ConvShape {
    outputs: 4,
    size: [1, 19],
    kernel: [1, 5],
    stride: [1, 2],
    padding: [[0, 0], [2, 2]],
    ..CONV2D
};

const TRANSPOSED: ConvShape = ConvShape {
    outputs: 2,
    size: [4, 5],
    kernel: [3, 4],
    stride: [2, 3],
    padding: [[1, 1], [2, 2]],
    ..CONV2D
};
const OUTPUT_PADDING: [usize; 2] = [1, 2];

/// The tensors of one layer.
struct Layer<'a> {
    golden: &'a Golden,
    name: &'a str,
}

impl Layer<'_> {
    /// What went in, as f32.
    fn given(&self, tensor: &str) -> Vec<f64> {
        self.golden.f32(&format!("{}.{tensor}", self.name)).into_iter().map(f64::from).collect()
    }

    /// What PyTorch made of it, or why a twin's result is something else.
    fn check(&self, tensor: &str, actual: &[f64]) -> Result<(), String> {
        let expected = self.golden.f64(&format!("{}.{tensor}", self.name));
        let name = self.name;
        if actual.len() != expected.len() {
            return Err(format!("{name}.{tensor}: {} elements, expected {}", actual.len(), expected.len()));
        }
        for (i, (actual, expected)) in actual.iter().zip(&expected).enumerate() {
            // Both are f64, and no sum has more than some hundred terms of magnitude 1.
            let agrees = (actual - expected).abs() < 1e-12;
            if !agrees {
                return Err(format!("{name}.{tensor}[{i}]: {actual}, expected {expected}"));
            }
        }
        Ok(())
    }

    #[track_caller]
    fn assert(&self, tensor: &str, actual: &[f64]) {
        self.check(tensor, actual).unwrap();
    }
}

#[test]
fn convolutions_are_pytorch_s() {
    let golden = &Golden::open("conv_small");
    for (name, shape) in [("conv2d", CONV2D), ("conv2d_lopsided", LOPSIDED), ("conv1d", CONV1D)] {
        let layer = Layer { golden, name };
        let [x, w, bias, dy] = ["x", "weight", "bias", "dy"].map(|tensor| layer.given(tensor));
        layer.assert("y", &conv::forward(&x, &w, &bias, shape, Activation::Linear));
        layer.assert("dx", &conv::backward_input(&dy, &w, shape));
        let (dw, dbias) = conv::backward_weight(&dy, &x, shape);
        layer.assert("dweight", &dw);
        layer.assert("dbias", &dbias);
    }
}

#[test]
fn transposed_convolutions_are_pytorch_s() {
    let layer = Layer { golden: &Golden::open("conv_small"), name: "conv_transpose2d" };
    let [x, w, bias, dy] = ["x", "weight", "bias", "dy"].map(|tensor| layer.given(tensor));
    let y = conv::transposed_forward(&x, &w, &bias, TRANSPOSED, OUTPUT_PADDING, Activation::Linear);
    layer.assert("y", &y);
    layer.assert("dx", &conv::transposed_backward_input(&dy, &w, TRANSPOSED, OUTPUT_PADDING));
    let (dw, dbias) = conv::transposed_backward_weight(&dy, &x, TRANSPOSED, OUTPUT_PADDING);
    layer.assert("dweight", &dw);
    layer.assert("dbias", &dbias);
}

#[test]
fn pools_are_pytorch_s() {
    let golden = &Golden::open("conv_small");
    let halves = PoolShape { planes: 6, size: [7, 9], window: [2, 2], stride: [2, 2] };
    let uneven = PoolShape { planes: 6, size: [7, 10], window: [3, 2], stride: [2, 3] };
    for (name, shape) in [("max_pool", halves), ("max_pool_overlapping", uneven)] {
        let layer = Layer { golden, name };
        let (y, argmax) = pool::max_forward(&layer.given("x"), shape);
        layer.assert("y", &y);
        let expected = golden.bytes(&format!("{name}.argmax"), Dtype::I64);
        let expected: Vec<_> = expected.as_chunks().0.iter().map(|&word| i64::from_le_bytes(word)).collect();
        assert_eq!(argmax.iter().map(|&place| i64::from(place)).collect::<Vec<_>>(), expected, "{name}");
        layer.assert("dx", &pool::max_backward(&layer.given("dy"), &argmax, shape));
    }
    let layer = Layer { golden, name: "average_pool" };
    layer.assert("y", &pool::average_forward(&layer.given("x"), uneven));
    layer.assert("dx", &pool::average_backward(&layer.given("dy"), uneven));
}

/// A golden that mistakes pass would be worth nothing.
#[test]
fn wrong_convolutions_are_caught() {
    let golden = &Golden::open("conv_small");
    let layer = Layer { golden, name: "conv2d" };
    let [x, w, bias, dy] = ["x", "weight", "bias", "dy"].map(|tensor| layer.given(tensor));
    let forward = |x: &[f64], w: &[f64], bias: &[f64], shape| {
        layer.check("y", &conv::forward(x, w, bias, shape, Activation::Linear))
    };
    forward(&x, &w, &bias, CONV2D).unwrap();
    let mirrored: Vec<f64> = w.chunks(25).flat_map(|kernel| kernel.iter().rev().copied()).collect();
    forward(&x, &mirrored, &bias, CONV2D).unwrap_err();
    let shifted = ConvShape { padding: [[1, 3], [1, 1]], ..CONV2D };
    forward(&x, &w, &bias, shifted).unwrap_err();
    let narrower = ConvShape { padding: [[2, 2], [1, 0]], stride: [2, 1], ..CONV2D };
    forward(&x, &w, &bias, narrower).unwrap_err();
    let swapped = [&bias[5..], &bias[..5]].concat();
    forward(&x, &w, &swapped, CONV2D).unwrap_err();
    let swapped = [&w[375..], &w[..375]].concat();
    layer.check("dx", &conv::backward_input(&dy, &swapped, CONV2D)).unwrap_err();
    let swapped = [&x[378..], &x[..378]].concat();
    layer.check("dweight", &conv::backward_weight(&dy, &swapped, CONV2D).0).unwrap_err();
}
