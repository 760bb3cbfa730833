//! Standardising and its inverse.

use crate::support::{assert_tensor, gpu, small_gpu, values, wide};
use fedfunnel::gpu::{Gpu, Tensor};
use fedfunnel::ops::standardize::{self, Scales, Standards};
use fedfunnel::reference::compare::{Tolerance, compare};
use fedfunnel::reference::standardize::{self as twin, Scale};

/// The twin takes one replica; `[R, S, P]` is R of them.
fn expected(
    run: impl Fn(&[f64], &[f64], Scale<'_>) -> Vec<f64>,
    x: &[f32],
    means: &[f32],
    scales: &[f32],
    replicas: usize,
) -> Vec<f64> {
    let (x, means, scales) = (wide(x), wide(means), wide(scales));
    let part = |values: &[f64], r: usize| {
        let length = values.len() / replicas;
        values[r * length..][..length].to_vec()
    };
    let one = |r| {
        let scales = part(&scales, r);
        let scale = match scales.as_slice() {
            [only] if means.len() > replicas => Scale::Global(*only),
            each => Scale::PerElement(each),
        };
        run(&part(&x, r), &part(&means, r), scale)
    };
    (0..replicas).flat_map(one).collect()
}

fn check(gpu: &Gpu, [replicas, lines, width]: [usize; 3], global: bool) -> usize {
    let what = format!("[{replicas}, {lines}, {width}], global: {global}");
    let x = values(replicas * lines * width, 1);
    let means = values(replicas * width, 2);
    let scales: Vec<f32> =
        values(replicas * if global { 1 } else { width }, 3).iter().map(|s| s + 1.5).collect();
    let tensor = |content: &[f32]| {
        let tensor = Tensor::zeros(gpu, "values", replicas, lines, width).unwrap();
        tensor.write(gpu, content);
        tensor
    };
    let source = tensor(&x);
    let into = tensor(&vec![9.0; x.len()]);
    let cut = |content: &[f32]| {
        let tensor = Tensor::zeros_cut(gpu, "standards", replicas, 1, &source.ranges()).unwrap();
        tensor.write(gpu, content);
        tensor
    };
    let standards = Standards {
        means: cut(&means),
        scales: if global {
            Scales::Global(gpu.upload("scales", &scales).unwrap())
        } else {
            Scales::Each(cut(&scales))
        },
    };
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
    for global in [true, false] {
        for shape in [[1, 1, 1], [1, 5, 13], [3, 7, 129]] {
            assert_eq!(check(gpu(), shape, global), 1);
        }
        assert!(check(small_gpu(), [1, 5, 4099], global) > 1);
        assert!(check(small_gpu(), [3, 7, 1031], global) > 1);
    }
}
