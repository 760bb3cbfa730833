//! Update and carry: parameters, moments and carried sums of three steps against the twins' gradient, step and
//! products, the carried ones with the weights before the step or after it.

use super::rig::{Case, Rig, can_run};
use crate::optimizer::{Moved, joined, optimizers, samples};
use crate::support::{every_class, small_gpu, values, wide};
use fedfunnel::gpu::{Dispatch, Gpu, Tensor};
use fedfunnel::model::{Optimizer, OptimizerKind, ScheduleWriter};
use fedfunnel::ops::Activation;
use fedfunnel::ops::dense::Carry;
use fedfunnel::ops::dense::RowsAre::{self, Inputs, Outputs};
use fedfunnel::ops::dense::variants;
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::{activation, dense};
use std::collections::BTreeSet;

const STEPS: usize = 3;

/// [R, B, I, O]
const CASES: &[Case] = &[
    Case::new([1, 5, 12, 301], Outputs),
    Case::new([1, 5, 32, 301], Outputs),
    Case::new([3, 8, 64, 270], Outputs).lead(4).activation(Activation::Tanh),
    Case::new([1, 17, 32, 259], Outputs).shard_rows(100),
    Case::new([1, 33, 32, 257], Outputs),
    Case::new([1, 5, 301, 12], Inputs).activation(Activation::Tanh),
    Case::new([3, 9, 517, 20], Inputs).shard_rows(130),
    Case::new([3, 9, 517, 32], Inputs).shard_rows(130).activation(Activation::Tanh),
    Case::new([1, 26, 260, 96], Inputs).lead(4),
    Case::new([1, 48, 263, 32], Inputs).activation(Activation::Relu),
];

const SHARDED: &[Case] = &[
    Case::new([3, 4, 12, 1501], Outputs),
    Case::new([1, 4, 64, 1501], Outputs),
    Case::new([1, 4, 1501, 64], Inputs),
];

/// What a layer's input came out of, where its gradient is carried.
const BEFORE: Activation = Activation::Sigmoid;

/// What came of the steps: on the device and in the twins.
struct Outcome {
    rig: Rig,
    /// Of `[weights, biases]`.
    twins: [Vec<Moved>; 2],
    /// After each step, `[R, B, K]`.
    carried: Vec<(Vec<f32>, Vec<f64>)>,
}

fn carried_width(case: &Case) -> usize {
    if case.rows_are == Outputs { case.inputs } else { case.outputs }
}

/// What the twin carries on, `[R, B, K]`, from the parameters given.
fn twin_carry(case: Case, parameters: &[Vec<Moved>; 2], x: &[f64], dy: &[f64]) -> Vec<f64> {
    let [weights, biases] = [0, 1].map(|place| joined(&parameters[place], |twin| &twin.p));
    match case.rows_are {
        RowsAre::Outputs => {
            activation::backward(&dense::backward_input(dy, &weights, case.shape()), x, BEFORE)
        }
        RowsAre::Inputs => dense::forward(x, &weights, &biases, case.shape(), case.activation),
    }
}

/// Runs the steps where there is a kernel for the shape. `swapped` carries, in the twin, the weights on the
/// other side of the step.
fn run(gpu: &'static Gpu, case: Case, optimizer: &Optimizer, swapped: bool) -> Option<Outcome> {
    let mut rig = Rig::new(gpu, case);
    let shape = case.shape();
    let lines = shape.replicas * shape.batch;
    let mut writer = ScheduleWriter::new(gpu, *optimizer, shape.replicas, STEPS).unwrap();
    writer.write(gpu, STEPS, |replica, step| samples(replica, step, shape.batch));
    let input = rig.tensor(case.inputs, &vec![0.0; lines * shape.inputs]);
    let gradient = rig.tensor(case.outputs, &vec![0.0; lines * shape.outputs]);
    let into = Tensor::zeros(gpu, "carried", shape.replicas, shape.batch, carried_width(&case)).unwrap();
    let carry = match case.rows_are {
        Outputs => Carry::InputGradient { before: BEFORE, into: &into },
        Inputs => Carry::NextOutputs { into: &into },
    };
    let plan =
        rig.layer.update_and_carry(gpu, &rig.arenas, writer.rule(), &input, &gradient, carry).unwrap()?;
    rig.reached.extend(plan.iter().map(Dispatch::name));

    let (weights, biases) = rig.twin_weights();
    let [per_weight, per_bias] = [weights.len() / shape.replicas, biases.len() / shape.replicas];
    let mut twins = [
        weights.chunks(per_weight).map(Moved::new).collect::<Vec<_>>(),
        biases.chunks(per_bias).map(Moved::new).collect(),
    ];
    let mut carried = Vec::new();
    for step in 0..STEPS {
        let shrink = 1.0 / (1 + step) as f32;
        let x: Vec<f32> = values(lines * shape.inputs, 10 + step as u32)
            .into_iter()
            .map(|x| if case.rows_are == Outputs { BEFORE.apply(f64::from(x)) as f32 } else { x })
            .collect();
        let dy: Vec<f32> =
            values(lines * shape.outputs, 20 + step as u32).iter().map(|d| d * shrink).collect();
        input.write(gpu, &x);
        gradient.write(gpu, &dy);
        gpu.run_steps(&plan, step as u32..step as u32 + 1, &mut |_| ()).unwrap();
        let (x, dy) = (wide(&x), wide(&dy));
        let before = twin_carry(case, &twins, &x, &dy);
        let (dw, db) = dense::backward_weight(&dy, &x, shape);
        for replica in 0..shape.replicas {
            if samples(replica, step, shape.batch) > 0 {
                let dw = &dw[replica * per_weight..][..per_weight];
                let db = &db[replica * per_bias..][..per_bias];
                twins[0][replica].step(dw, optimizer, rig.layer.rate_scale);
                twins[1][replica].step(db, optimizer, rig.layer.rate_scale);
            }
        }
        let after = twin_carry(case, &twins, &x, &dy);
        let expected = if (case.rows_are == Outputs) != swapped { before } else { after };
        // A replica that rests carries nothing that anybody reads.
        let line = shape.batch * into.width;
        let works = |at: &usize| samples(at / line, step, shape.batch) > 0;
        let actual = into.read(gpu).unwrap();
        let places: Vec<_> = (0..actual.len()).filter(works).collect();
        carried.push((
            places.iter().map(|&at| actual[at]).collect(),
            places.iter().map(|&at| expected[at]).collect(),
        ));
    }
    Some(Outcome { rig, twins, carried })
}

/// Checks every optimiser; returns the number of shards and the entry points that were reached.
fn check(gpu: &'static Gpu, case: Case) -> (usize, BTreeSet<&'static str>) {
    let (mut shards, mut reached) = (0, BTreeSet::new());
    for optimizer in optimizers() {
        let Some(Outcome { rig, twins, carried }) = run(gpu, case, &optimizer, false) else { continue };
        let what = |tensor: &str| format!("{tensor} of {case:?} with {optimizer:?}");
        for (step, (actual, expected)) in carried.iter().enumerate() {
            assert_close(&what(&format!("carried in step {step}")), actual, expected, Tolerance::Balanced);
        }
        let parameters = rig.read_parameters();
        let first = rig.read_first_moments();
        let second = rig.read_second_moments();
        let adaptive = optimizer.kind != OptimizerKind::Sgd;
        for (place, [p, m, v]) in
            [[&parameters.0, &first.0, &second.0], [&parameters.1, &first.1, &second.1]].iter().enumerate()
        {
            let expected = |part: fn(&Moved) -> &Vec<f64>| joined(&twins[place], part);
            assert_close(&what("parameters"), p, &expected(|twin| &twin.p), Tolerance::Balanced);
            assert_close(&what("first moments"), m, &expected(|twin| &twin.m), Tolerance::Balanced);
            if adaptive {
                assert_close(&what("second moments"), v, &expected(|twin| &twin.v), Tolerance::Balanced);
            } else {
                assert!(v.iter().all(|&v| v == 0.0), "{}", what("second moments"));
            }
        }
        shards = rig.layer.shards.len();
        reached.extend(&rig.reached);
    }
    (shards, reached)
}

#[test]
fn every_variant_agrees_with_its_twins_for_every_optimiser() {
    let mut reached = BTreeSet::new();
    for case in CASES {
        for gpu in every_class() {
            let (shards, own) = check(gpu, *case);
            // Without lanes that share, there are kernels for small batches only.
            let lanes = gpu.class().shares_loads() && carried_width(case).is_multiple_of(32);
            assert_eq!(shards > 0, lanes || case.batch <= 16, "{case:?} by {:?}", gpu.class());
            reached.extend(own);
        }
    }
    assert!(
        ["dense_finish", "dense_finish_split"].iter().all(|entry| reached.contains(entry)),
        "{reached:?}"
    );
    for kernel in variants::all_carry().map(|variant| variant.kernel) {
        assert!(!can_run(kernel.shader) || reached.contains(kernel.entry), "no case reaches {kernel:?}");
    }
}

#[test]
fn shards_agree_with_the_twins() {
    for case in SHARDED {
        assert!(check(small_gpu(), *case).0 > 1, "{case:?} is one shard");
    }
}

/// Weights of the wrong side of the step have to fail.
#[test]
fn carrying_the_other_weights_fails() {
    for gpu in every_class() {
        // The last one's batch is for lanes that share alone.
        let cases = [CASES[0], CASES[6], CASES[4]];
        for case in &cases[..if gpu.class().shares_loads() { 3 } else { 2 }] {
            let outcome = run(gpu, *case, &optimizers()[3], true).unwrap();
            let (actual, expected) = &outcome.carried[1];
            let failed = compare("carried", actual, expected, Tolerance::Permissive).is_err();
            assert!(failed, "{case:?} by {:?}", gpu.class());
        }
    }
}

/// Rows of the wrong side, batches and widths without a kernel: the caller takes the plain passes.
#[test]
fn what_cannot_be_carried_is_refused() {
    let optimizer = optimizers()[2];
    for case in [
        Case::new([1, 49, 12, 301], Outputs),
        Case::new([1, 5, 13, 301], Outputs),
        Case::new([1, 5, 12, 99], Outputs),
    ] {
        for gpu in every_class() {
            assert!(run(gpu, case, &optimizer, false).is_none(), "{case:?} by {:?}", gpu.class());
        }
    }
}
