//! Convolutions and pools, each alone, against PyTorch's.

use crate::conv::gradients::gradient;
use crate::conv::rig::{Case, Rig};
use crate::golden::Golden;
use crate::support::gpu;
use fedfunnel::gpu::Tensor;
use fedfunnel::ops::pool::{Pool, PoolKind};
use fedfunnel::ops::{Activated, Activation};
use fedfunnel::reference::compare::{Tolerance, compare};

/// Two replicas of two samples; for each direction `[kernel, stride, zeros before, zeros after]`.
fn layers() -> [(&'static str, Case); 4] {
    let line = [1, 1, 0, 0];
    [
        ("conv2d", Case::new([2, 2, 3, 5], [7, 9], [[5, 2, 2, 2], [5, 2, 1, 1]])),
        ("conv2d_lopsided", Case::new([2, 2, 3, 4], [7, 9], [[2, 3, 0, 1], [5, 2, 3, 2]])),
        ("conv1d", Case::new([2, 2, 3, 4], [1, 19], [line, [5, 2, 2, 2]])),
        // Its large side is what comes out.
        ("conv_transpose2d", Case::new([2, 2, 2, 3], [8, 14], [[3, 2, 1, 0], [4, 3, 2, 0]]).transposed()),
    ]
}

/// What the kernels make of a golden's inputs, by the golden's names.
fn computed(golden: &Golden, name: &str, case: Case) -> [(&'static str, Vec<f32>); 4] {
    let given = |tensor: &str| golden.f32(&format!("{name}.{tensor}"));
    let (x, dy) = (given("x"), given("dy"));
    let mut rig = Rig::with(gpu(), case, given("weight"), given("bias"));
    let (input, gradients) = (rig.tensor(rig.layer.inputs(), &x), rig.tensor(rig.layer.outputs(), &dy));
    let output = rig.tensor(rig.layer.outputs(), &vec![9.0; dy.len()]);
    let into = rig.tensor(rig.layer.inputs(), &vec![9.0; x.len()]);
    let arenas = rig.parameter_arenas();
    rig.run(&rig.layer.forward(gpu(), &arenas, &input, &output).unwrap());
    let linear = Activated { values: &input, activation: Activation::Linear };
    rig.run(&rig.layer.backward_input(gpu(), &arenas, &gradients, linear, &into).unwrap());
    let (_, [_, (dweight, dbias)]) = gradient(gpu(), case, &x, &dy);
    let read = |tensor: &Tensor| tensor.read(gpu()).unwrap();
    [("y", read(&output)), ("dx", read(&into)), ("dweight", dweight), ("dbias", dbias)]
}

#[test]
fn convolutions_are_pytorch_s() {
    let golden = Golden::open("conv_small");
    for (name, case) in layers() {
        for (tensor, actual) in computed(&golden, name, case) {
            let what = format!("{name}.{tensor}");
            compare(&what, &actual, &golden.f64(&what), Tolerance::Balanced).unwrap();
        }
    }
}

/// What a golden does not notice, it does not prove.
#[test]
fn wrong_convolutions_are_caught() {
    let golden = Golden::open("conv_small");
    let base = layers()[0].1;
    let shifted = Case::new([2, 2, 3, 5], [7, 9], [[5, 2, 1, 3], [5, 2, 1, 1]]);
    let other_side = Case::new([2, 2, 3, 5], [7, 9], [[5, 2, 2, 2], [5, 2, 0, 2]]);
    for (mistake, case) in [
        ("a row too few above", shifted),
        ("a column too few on the left", other_side),
        ("an activation", base.activation(Activation::Relu)),
    ] {
        let [(_, y), ..] = computed(&golden, "conv2d", case);
        let outcome = compare("y", &y, &golden.f64("conv2d.y"), Tolerance::Permissive);
        assert!(outcome.is_err(), "{mistake} passes");
    }
}

/// The other pools of the golden have windows that are not square, as these kernels have none.
#[test]
fn the_largest_of_a_window_is_pytorch_s() {
    let golden = Golden::open("conv_small");
    let pool = Pool { kind: PoolKind::Max, channels: 3, input_size: [7, 9], window: 2, stride: 2 };
    let tensor = |width: usize, content: &[f32]| {
        let tensor = Tensor::zeros(gpu(), "test", 1, 2, width).unwrap();
        tensor.write(gpu(), content);
        tensor
    };
    let input = tensor(pool.inputs(), &golden.f32("max_pool.x"));
    let gradient = tensor(pool.outputs(), &golden.f32("max_pool.dy"));
    let output = tensor(pool.outputs(), &vec![9.0; 2 * pool.outputs()]);
    let into = tensor(pool.inputs(), &vec![9.0; 2 * pool.inputs()]);
    let linear = Activated { values: &input, activation: Activation::Linear };
    let back = pool.backward_input(gpu(), &gradient, linear, &into).unwrap();
    gpu().run(&[pool.forward(gpu(), &input, &output).unwrap(), back]).unwrap();
    for (what, actual) in [("max_pool.y", output), ("max_pool.dx", into)] {
        compare(what, &actual.read(gpu()).unwrap(), &golden.f64(what), Tolerance::Exact).unwrap();
    }
}
