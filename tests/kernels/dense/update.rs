//! Three steps of each optimiser, the gradient formed in the same pass, against the twins' gradient and step.

use super::rig::{Case, Rig, assert_all_reached};
use crate::optimizer::{Moved, joined, optimizers, samples, wrong_settings};
use crate::support::{every_class, gpu, small_gpu, values, wide};
use fedfunnel::gpu::{Dispatch, Gpu};
use fedfunnel::model::{Optimizer, OptimizerKind, ScheduleWriter};
use fedfunnel::ops::dense::RowsAre::{Inputs, Outputs};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::dense;
use std::collections::BTreeSet;

const STEPS: usize = 3;

/// [R, B, I, O]
const CASES: &[Case] = &[
    Case::new([1, 5, 13, 7], Outputs),
    Case::new([3, 2, 12, 7], Outputs).lead(3),
    Case::new([3, 4, 21, 5], Inputs).shard_rows(8),
    Case::new([1, 5, 12, 7], Outputs),
    Case::new([3, 9, 36, 10], Outputs).lead(4),
    Case::new([3, 3, 8, 11], Outputs).shard_rows(3),
    Case::new([1, 5, 7, 12], Inputs),
    Case::new([3, 9, 31, 20], Inputs).shard_rows(7),
];

const SHARDED: &[Case] = &[
    Case::new([3, 11, 12, 1501], Outputs),
    Case::new([3, 11, 1501, 12], Inputs),
    Case::new([1, 3, 2503, 7], Inputs),
];

/// Runs the steps on the device and in the twin; returns both, for `[weights, biases]`.
fn run(gpu: &'static Gpu, case: Case, optimizer: &Optimizer) -> (Rig, [Vec<Moved>; 2]) {
    let mut rig = Rig::new(gpu, case);
    let shape = case.shape();
    let lines = shape.replicas * shape.batch;
    let mut writer = ScheduleWriter::new(gpu, *optimizer, shape.replicas, STEPS).unwrap();
    writer.write(gpu, STEPS, |replica, step| samples(replica, step, shape.batch));
    let input = rig.tensor(case.inputs, &vec![0.0; lines * shape.inputs]);
    let gradient = rig.tensor(case.outputs, &vec![0.0; lines * shape.outputs]);
    let plan = rig.layer.update(gpu, &rig.arenas, writer.rule(), &input, &gradient).unwrap();
    rig.reached.extend(plan.iter().map(Dispatch::name));

    let (weights, biases) = rig.twin_weights();
    let [per_weight, per_bias] = [weights.len() / shape.replicas, biases.len() / shape.replicas];
    let mut twins = [
        weights.chunks(per_weight).map(Moved::new).collect::<Vec<_>>(),
        biases.chunks(per_bias).map(Moved::new).collect(),
    ];
    for step in 0..STEPS {
        // Another gradient in every step, of another size.
        let shrink = 1.0 / (1 + step) as f32;
        let x = values(lines * shape.inputs, 10 + step as u32);
        let dy: Vec<f32> =
            values(lines * shape.outputs, 20 + step as u32).iter().map(|d| d * shrink).collect();
        input.write(gpu, &x);
        gradient.write(gpu, &dy);
        gpu.run_steps(&plan, step as u32..step as u32 + 1, &mut |_| ()).unwrap();
        let (dw, db) = dense::backward_weight(&wide(&dy), &wide(&x), shape);
        for replica in 0..shape.replicas {
            if samples(replica, step, shape.batch) > 0 {
                let dw = &dw[replica * per_weight..][..per_weight];
                let db = &db[replica * per_bias..][..per_bias];
                twins[0][replica].step(dw, optimizer, rig.layer.rate_scale);
                twins[1][replica].step(db, optimizer, rig.layer.rate_scale);
            }
        }
    }
    (rig, twins)
}

/// Checks every optimiser; returns the number of shards and the entry points that were reached.
fn check(gpu: &'static Gpu, case: Case) -> (usize, BTreeSet<&'static str>) {
    let mut shards = 0;
    let mut reached = BTreeSet::new();
    for optimizer in optimizers() {
        let is_sgd = optimizer.kind == OptimizerKind::Sgd;
        let (rig, twins) = run(gpu, case, &optimizer);
        let what = |tensor: &str| format!("{tensor} of {case:?} with {optimizer:?}");
        let (weights, biases) = rig.read_parameters();
        let (first_weights, first_biases) = rig.read_first_moments();
        for (place, parameters, moments) in [(0, &weights, &first_weights), (1, &biases, &first_biases)] {
            let expected = joined(&twins[place], |twin| &twin.p);
            assert_close(&what("parameters"), parameters, &expected, Tolerance::Balanced);
            let expected = joined(&twins[place], |twin| &twin.m);
            assert_close(&what("first moments"), moments, &expected, Tolerance::Balanced);
        }
        shards = rig.layer.shards.len();
        reached.extend(&rig.reached);
        let (second_weights, second_biases) = rig.read_second_moments();
        if is_sgd {
            let untouched = second_weights.iter().chain(&second_biases).all(|&v| v == 0.0);
            assert!(untouched, "{}", what("second moments"));
        } else {
            for (place, moments) in [(0, &second_weights), (1, &second_biases)] {
                let expected = joined(&twins[place], |twin| &twin.v);
                assert_close(&what("second moments"), moments, &expected, Tolerance::Balanced);
            }
        }
    }
    (shards, reached)
}

#[test]
fn every_variant_agrees_with_its_twin_for_every_optimiser() {
    let on_all =
        |case: &Case| every_class().into_iter().flat_map(|gpu| check(gpu, *case).1).collect::<Vec<_>>();
    let reached = CASES.iter().flat_map(on_all).collect();
    assert_all_reached(&reached, "_update_");
}

#[test]
fn matrices_beyond_one_binding_agree_with_their_twin() {
    for case in SHARDED {
        assert!(check(small_gpu(), *case).0 > 1, "{case:?} is one shard");
    }
}

/// Twins with one setting off have to fail, or the tests above would not notice it in a kernel.
#[test]
fn a_wrong_setting_fails() {
    for (what, right, wrong) in wrong_settings() {
        let case = CASES[4];
        let (rig, _) = run(gpu(), case, &right);
        let (_, twins) = run(gpu(), case, &wrong);
        let expected = joined(&twins[0], |twin| &twin.p);
        let outcome = compare(what, &rig.read_parameters().0, &expected, Tolerance::Balanced);
        assert!(outcome.is_err(), "a wrong {what} passes");
    }
}
