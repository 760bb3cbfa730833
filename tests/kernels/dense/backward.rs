//! The products `rows_sum` and `rows_dot` as input gradients, and the weight gradient that an update forms.

use super::rig::{Case, Rig, assert_all_reached};
use crate::support::{assert_tensor, every_class, gpu, small_gpu, values, wide};
use fedfunnel::gpu::Gpu;
use fedfunnel::model::{Optimizer, OptimizerKind, ScheduleWriter};
use fedfunnel::ops::dense::RowsAre::{Inputs, Outputs};
use fedfunnel::ops::{Activated, Activation};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::finite_difference::central_gradient;
use fedfunnel::reference::{activation, dense};
use std::collections::BTreeSet;

/// [R, B, I, O]
const CASES: &[Case] = &[
    Case::new([1, 5, 13, 7], Outputs),
    Case::new([3, 9, 12, 7], Outputs).lead(1),
    Case::new([1, 5, 12, 7], Outputs),
    Case::new([3, 11, 20, 33], Outputs).lead(4),
    Case::new([3, 9, 20, 33], Outputs).shard_rows(10),
    Case::new([1, 5, 13, 7], Inputs),
    Case::new([3, 9, 33, 8], Inputs).lead(2),
    Case::new([1, 5, 37, 12], Inputs),
    Case::new([3, 9, 35, 8], Inputs).shard_rows(12),
    Case::new([3, 17, 23, 12], Inputs),
];

const SHARDED: &[Case] = &[
    Case::new([1, 3, 20, 1003], Outputs),
    Case::new([3, 11, 12, 1501], Outputs),
    Case::new([3, 11, 1501, 12], Inputs),
    Case::new([1, 3, 2503, 7], Inputs),
];

/// `before` is the activation that the layer's input came out of.
fn check(gpu: &'static Gpu, case: Case, before: Activation) -> Rig {
    let mut rig = Rig::new(gpu, case);
    let shape = case.shape();
    let lines = shape.replicas * shape.batch;
    let dy = values(lines * shape.outputs, 4);
    let outputs_before: Vec<f32> =
        values(lines * shape.inputs, 5).into_iter().map(|x| before.apply(f64::from(x)) as f32).collect();
    let gradient = rig.tensor(case.outputs, &dy);
    let input = rig.tensor(case.inputs, &outputs_before);
    let into = rig.tensor(case.inputs, &vec![9.0; lines * shape.inputs]);
    let arenas = rig.parameter_arenas();
    rig.run(
        &rig.layer
            .backward_input(gpu, &arenas, &gradient, Activated { values: &input, activation: before }, &into)
            .unwrap(),
    );
    let dx = dense::backward_input(&wide(&dy), &rig.twin_weights().0, shape);
    let expected = activation::backward(&dx, &wide(&outputs_before), before);
    assert_tensor(&format!("{case:?}, {before:?}"), gpu, &into, &expected, Tolerance::Balanced);
    // The derivative matters: without it the comparison fails.
    if before != Activation::Linear {
        assert!(compare("dx", &into.read(gpu).unwrap(), &dx, Tolerance::Permissive).is_err(), "{case:?}");
    }
    rig
}

#[test]
fn every_variant_agrees_with_its_twin_for_every_activation() {
    let mut reached = BTreeSet::new();
    for case in CASES {
        for before in Activation::ALL {
            for gpu in every_class() {
                reached.extend(check(gpu, *case, before).reached);
            }
        }
    }
    assert_all_reached(&reached, "_rows_");
    assert!(reached.contains("dense_finish"));
}

#[test]
fn matrices_beyond_one_binding_agree_with_their_twin() {
    for case in SHARDED {
        assert!(check(small_gpu(), *case, Activation::Tanh).layer.shards.len() > 1, "{case:?} is one shard");
    }
}

/// What the kernels compute is the gradient of what the kernels compute: central differences of the twin's
/// forward pass, for weights, biases and inputs, with the layer's own activation in between.
#[test]
fn gradients_agree_with_finite_differences() {
    for rows_are in [Outputs, Inputs] {
        for [inputs, outputs] in [[5, 3], [4, 8], [8, 4]] {
            for own in Activation::ALL {
                let case = Case::new([3, 6, inputs, outputs], rows_are).activation(own);
                finite_differences(case);
            }
        }
    }
}

fn finite_differences(case: Case) {
    let rig = Rig::new(gpu(), case);
    let shape = case.shape();
    let lines = shape.replicas * shape.batch;
    let x = values(lines * shape.inputs, 3);
    let weighting = wide(&values(lines * shape.outputs, 6));
    let (weights, biases) = rig.twin_weights();
    let objective = |x: &[f64], w: &[f64], b: &[f64]| -> f64 {
        let y = dense::forward(x, w, b, shape, case.activation);
        y.iter().zip(&weighting).map(|(y, weight)| y * weight).sum()
    };
    let y = dense::forward(&wide(&x), &weights, &biases, shape, case.activation);
    let dy: Vec<f32> =
        activation::backward(&weighting, &y, case.activation).iter().map(|&d| d as f32).collect();
    let input = rig.tensor(case.inputs, &x);
    let gradient = rig.tensor(case.outputs, &dy);
    let into = rig.tensor(case.inputs, &vec![0.0; lines * shape.inputs]);
    let arenas = rig.parameter_arenas();
    let linear = Activated { values: &input, activation: Activation::Linear };
    let mut dispatches = rig.layer.backward_input(gpu(), &arenas, &gradient, linear, &into).unwrap();
    // After the first step of SGD the momentum is the gradient.
    let sgd = Optimizer { kind: OptimizerKind::Sgd, lr: 0.1, ..Default::default() };
    let mut writer = ScheduleWriter::new(gpu(), sgd, shape.replicas, 1).unwrap();
    writer.write(gpu(), 1, |_, _| shape.batch);
    let update = rig.layer.update(gpu(), &rig.arenas, writer.rule(), &input, &gradient).unwrap();
    dispatches.extend(update);
    gpu().run(&dispatches).unwrap();
    let (dw, db) = rig.read_first_moments();
    let dx = into.read(gpu()).unwrap();
    let x = wide(&x);
    let numeric = [
        ("dx", dx, central_gradient(|at| objective(at, &weights, &biases), &x, 1e-5)),
        ("dw", dw, central_gradient(|at| objective(&x, at, &biases), &weights, 1e-5)),
        ("db", db, central_gradient(|at| objective(&x, &weights, at), &biases, 1e-5)),
    ];
    for (what, actual, expected) in numeric {
        assert_close(&format!("{what} of {case:?}"), &actual, &expected, Tolerance::Balanced);
        let mut wrong = expected;
        wrong[0] += 0.01;
        assert!(compare(what, &actual, &wrong, Tolerance::Balanced).is_err(), "{what} of {case:?}");
    }
}
