//! The products `rows_dot` and `rows_sum` as forward passes.

use super::rig::{Case, Rig, assert_all_reached};
use crate::support::{assert_tensor, every_class, gpu, small_gpu, values, wide};
use fedfunnel::gpu::{Gpu, Tensor};
use fedfunnel::ops::Activation;
use fedfunnel::ops::dense::RowsAre::{Inputs, Outputs};
use fedfunnel::reference::compare::{Tolerance, compare};
use fedfunnel::reference::dense;
use std::collections::BTreeSet;

/// [R, B, I, O]: nothing square, tiles never full, at least one shape of each with R = 1 and R = 3.
const CASES: &[Case] = &[
    Case::new([1, 5, 13, 7], Outputs),
    Case::new([3, 9, 13, 21], Outputs),
    Case::new([3, 2, 12, 7], Outputs).lead(3),
    Case::new([1, 1, 1, 1], Outputs),
    Case::new([1, 1, 4, 1], Outputs),
    Case::new([1, 5, 12, 37], Outputs),
    Case::new([3, 9, 20, 33], Outputs).lead(8),
    Case::new([3, 17, 8, 35], Outputs).shard_rows(12),
    Case::new([1, 3, 20, 70], Outputs),
    Case::new([1, 9, 20, 7], Outputs),
    Case::new([3, 17, 36, 23], Outputs).lead(4),
    Case::new([3, 13, 8, 22], Outputs).shard_rows(9),
    Case::new([1, 5, 13, 7], Inputs),
    Case::new([3, 9, 31, 10], Inputs),
    Case::new([3, 2, 21, 8], Inputs).lead(2),
    Case::new([1, 1, 1, 1], Inputs),
    Case::new([1, 1, 1, 4], Inputs),
    Case::new([1, 5, 13, 12], Inputs),
    Case::new([3, 9, 31, 20], Inputs).lead(4),
    Case::new([3, 9, 31, 20], Inputs).shard_rows(7),
    Case::new([3, 3, 31, 7], Inputs).shard_rows(10),
    // Many chunks within one shard, the last one short.
    Case::new([1, 3, 1031, 8], Inputs),
    Case::new([3, 5, 1031, 6], Inputs),
];

/// Matrices that do not fit the small binding; where the batch is large, neither does their row side.
const SHARDED: &[Case] = &[
    Case::new([1, 3, 20, 1003], Outputs),
    Case::new([3, 11, 12, 1501], Outputs),
    Case::new([3, 3, 7, 1103], Outputs),
    Case::new([1, 37, 276, 63], Outputs),
    Case::new([1, 3, 1003, 20], Inputs),
    Case::new([3, 11, 1501, 12], Inputs),
    Case::new([3, 3, 1103, 7], Inputs),
];

fn forward(gpu: &'static Gpu, case: Case) -> (Rig, Tensor, Vec<f64>) {
    let mut rig = Rig::new(gpu, case);
    let shape = case.shape();
    let x = values(shape.replicas * shape.batch * shape.inputs, 3);
    let input = rig.tensor(case.inputs, &x);
    let output = rig.tensor(case.outputs, &vec![9.0; shape.replicas * shape.batch * shape.outputs]);
    rig.run(&rig.layer.forward(gpu, &rig.parameter_arenas(), &input, &output).unwrap());
    let (weights, biases) = rig.twin_weights();
    (rig, output, dense::forward(&wide(&x), &weights, &biases, shape, case.activation))
}

fn check(gpu: &'static Gpu, case: Case) -> Rig {
    let (rig, output, expected) = forward(gpu, case);
    assert_tensor(&format!("{case:?}"), gpu, &output, &expected, Tolerance::Balanced);
    let (weights, biases) = rig.read_parameters();
    assert!(weights == rig.weights && biases == rig.biases, "{case:?}: a forward pass changed the layer");
    rig
}

#[test]
fn every_variant_agrees_with_its_twin_for_every_activation() {
    let mut reached = BTreeSet::new();
    for case in CASES {
        for activation in Activation::ALL {
            for gpu in every_class() {
                reached.extend(check(gpu, case.activation(activation)).reached);
            }
        }
    }
    assert_all_reached(&reached, "_rows_");
    assert!(reached.contains("dense_finish"));
}

#[test]
fn matrices_beyond_one_binding_agree_with_their_twin() {
    let mut cut_row_sides = 0;
    for case in SHARDED {
        let case = case.activation(Activation::Tanh);
        let (rig, output, _) = forward(small_gpu(), case);
        assert!(rig.layer.shards.len() > 1, "{case:?} is one shard");
        cut_row_sides += usize::from(output.shards.len() > 1);
        check(small_gpu(), case);
    }
    assert!(cut_row_sides > 0, "no case cut its outputs");
}

#[test]
fn saturated_activations_stay_finite() {
    for activation in Activation::ALL {
        let case = Case::new([1, 2, 4, 3], Outputs).activation(activation);
        let mut rig = Rig::new(gpu(), case);
        let x = [1e4, 0.0, 0.0, 0.0, -1e4, 0.0, 0.0, 0.0];
        let input = rig.tensor(4, &x);
        let output = rig.tensor(3, &[0.0; 6]);
        rig.run(&rig.layer.forward(gpu(), &rig.parameter_arenas(), &input, &output).unwrap());
        let (weights, biases) = rig.twin_weights();
        let expected = dense::forward(&wide(&x), &weights, &biases, case.shape(), activation);
        assert_tensor(&format!("{activation:?}"), gpu(), &output, &expected, Tolerance::Balanced);
    }
}

/// One weight or one bias off by a hundredth, two replicas swapped: each has to fail.
#[test]
fn a_wrong_layer_fails() {
    for case in [CASES[5], CASES[6], CASES[17], CASES[18]] {
        let shape = case.shape();
        let (rig, output, _) = forward(gpu(), case);
        let x = wide(&values(shape.replicas * shape.batch * shape.inputs, 3));
        let actual = output.read(gpu()).unwrap();
        let (weights, biases) = rig.twin_weights();
        let fails = |what: &str, w: &[f64], b: &[f64]| {
            let expected = dense::forward(&x, w, b, shape, case.activation);
            assert!(compare(what, &actual, &expected, Tolerance::Balanced).is_err(), "{case:?}: {what}");
        };
        let mut wrong = weights.clone();
        *wrong.last_mut().unwrap() += 0.01;
        fails("weight", &wrong, &biases);
        let mut wrong = biases.clone();
        *wrong.last_mut().unwrap() += 0.01;
        fails("bias", &weights, &wrong);
        if shape.replicas > 1 {
            let mut wrong = weights.clone();
            wrong.rotate_left(shape.outputs * shape.inputs);
            fails("replica", &wrong, &biases);
        }
    }
}
