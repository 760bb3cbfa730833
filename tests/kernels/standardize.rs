//! Standardising and its inverse.

use crate::support::{assert_tensor, gpu, small_gpu, values, wide};
use fedfunnel::gpu::{Gpu, Tensor};
use fedfunnel::ops::standardize::{self, Standards};
use fedfunnel::reference::compare::{Tolerance, compare};
use fedfunnel::reference::standardize as twin;

/// The twin takes one replica; `[R, S, P]` is R of them.
fn expected(
    run: impl Fn(&[f64], &[f64], f64) -> Vec<f64>,
    x: &[f32],
    means: &[f32],
    scales: &[f32],
    replicas: usize,
) -> Vec<f64> {
    let (x, means) = (wide(x), wide(means));
    let part = |values: &[f64], r: usize| {
        let length = values.len() / replicas;
        values[r * length..][..length].to_vec()
    };
    let one = |r| run(&part(&x, r), &part(&means, r), f64::from(scales[r]));
    (0..replicas).flat_map(one).collect()
}

fn check(gpu: &Gpu, [replicas, lines, width]: [usize; 3]) -> usize {
    let what = format!("[{replicas}, {lines}, {width}]");
    let x = values(replicas * lines * width, 1);
    let means = values(replicas * width, 2);
    let scales: Vec<f32> = values(replicas, 3).iter().map(|s| s + 1.5).collect();
    let tensor = |content: &[f32]| {
        let tensor = Tensor::zeros(gpu, "values", replicas, lines, width).unwrap();
        tensor.write(gpu, content);
        tensor
    };
    let source = tensor(&x);
    let into = tensor(&vec![9.0; x.len()]);
    let cut = Tensor::zeros_cut(gpu, "means", replicas, 1, &source.ranges()).unwrap();
    cut.write(gpu, &means);
    let standards = Standards { means: cut, scales: gpu.upload("scales", &scales).unwrap() };
    let wrong_scales: Vec<f32> = scales.iter().map(|s| s * 1.01).collect();
    gpu.run(&standardize::forward(gpu, &source, &standards, &into).unwrap()).unwrap();
    // Balanced: x - mean cancels, and the difference is divided.
    let forward = expected(twin::forward, &x, &means, &scales, replicas);
    assert_tensor(&what, gpu, &into, &forward, Tolerance::Balanced);
    let wrong = expected(twin::forward, &x, &means, &wrong_scales, replicas);
    assert!(compare(&what, &into.read(gpu).unwrap(), &wrong, Tolerance::Balanced).is_err(), "{what}");

    gpu.run(&standardize::inverse(gpu, &source, &standards, &into).unwrap()).unwrap();
    let inverse = expected(twin::inverse, &x, &means, &scales, replicas);
    assert_tensor(&what, gpu, &into, &inverse, Tolerance::Balanced);
    let wrong = expected(twin::inverse, &x, &means, &wrong_scales, replicas);
    assert!(compare(&what, &into.read(gpu).unwrap(), &wrong, Tolerance::Balanced).is_err(), "{what}");

    // There and back again.
    let back = tensor(&vec![9.0; x.len()]);
    gpu.run(&standardize::forward(gpu, &source, &standards, &into).unwrap()).unwrap();
    gpu.run(&standardize::inverse(gpu, &into, &standards, &back).unwrap()).unwrap();
    assert_tensor(&what, gpu, &back, &wide(&x), Tolerance::Balanced);
    source.shards.len()
}

#[test]
fn both_directions_agree_with_their_twin() {
    for shape in [[1, 1, 1], [1, 5, 13], [3, 7, 129]] {
        assert_eq!(check(gpu(), shape), 1);
    }
    assert!(check(small_gpu(), [1, 5, 4099]) > 1);
    assert!(check(small_gpu(), [3, 7, 1031]) > 1);
}
