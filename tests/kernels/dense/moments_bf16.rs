//! Moments of two bytes: each step, from what lies on the device, against the twins' gradient and step. The weights
//! agree as with moments of four bytes; a moment is one of the two bf16 beside the twin's, and right in the mean.

use super::rig::{Case, Rig};
use crate::optimizer::{Moved, joined, optimizers, samples};
use crate::support::{every_class, small_gpu, values, wide};
use fedfunnel::gpu::{Dispatch, Gpu, Tensor};
use fedfunnel::model::{Moments, Optimizer, OptimizerKind, ScheduleWriter};
use fedfunnel::ops::dense::Carry;
use fedfunnel::ops::dense::RowsAre::{self, Inputs, Outputs};
use fedfunnel::ops::{Activation, UpdateRule};
use fedfunnel::reference::compare::{Tolerance, assert_close};
use fedfunnel::reference::{dense, moments_bf16};

const STEPS: usize = 3;

/// [R, B, I, O]; odd numbers of rows, and of biases beside them.
const CASES: &[Case] = &[
    Case::new([1, 5, 12, 301], Outputs),
    Case::new([3, 8, 64, 271], Outputs).lead(4),
    Case::new([1, 17, 32, 259], Outputs).shard_rows(101),
    Case::new([3, 9, 517, 20], Inputs).shard_rows(130),
    Case::new([1, 26, 261, 96], Inputs).lead(4),
    Case::new([3, 9, 36, 11], Outputs),
    Case::new([1, 5, 7, 12], Inputs),
];

const SHARDED: &[Case] = &[Case::new([3, 4, 64, 1501], Outputs), Case::new([1, 4, 1501, 12], Inputs)];

/// The dispatches of a step: with sums carried on where there is a kernel for that and they are asked for.
fn plan(rig: &Rig, rule: UpdateRule<'_>, sides: [&Tensor; 2], carries: bool) -> Vec<Dispatch> {
    let (gpu, layer, arenas) = (rig.gpu, &rig.layer, &rig.arenas);
    let [input, gradient] = sides;
    let carried = if rig.case.rows_are == Outputs { input } else { gradient };
    let into = Tensor::zeros(gpu, "carried", carried.replicas, carried.batch, carried.width).unwrap();
    let carry = match rig.case.rows_are {
        RowsAre::Outputs => Carry::InputGradient { before: Activation::Linear, into: &into },
        RowsAre::Inputs => Carry::NextOutputs { into: &into },
    };
    let both = layer.update_and_carry(gpu, arenas, rule, input, gradient, carry).unwrap();
    both.filter(|_| carries).unwrap_or_else(|| layer.update(gpu, arenas, rule, input, gradient).unwrap())
}

/// Mean distance from the twins' moments, in spacings of bf16; each has to be less than one, but for what f32 leaves
/// out where a gradient nearly cancels.
fn bias(what: &str, actual: &[f32], expected: &[f64]) -> f64 {
    let distances = actual.iter().zip(expected).map(|(&actual, &expected)| {
        let (distance, spacing) = (f64::from(actual) - expected, moments_bf16::spacing(expected));
        assert!(distance.abs() < spacing + 1e-5, "{what}: {actual} for {expected}");
        (distance / spacing).clamp(-1.0, 1.0) * expected.signum()
    });
    distances.sum::<f64>() / actual.len() as f64
}

/// Five standard deviations of the mean of so many distances that are right in the mean.
fn most_bias(count: usize) -> f64 {
    5.0 * 0.41 / (count as f64).sqrt()
}

fn check(gpu: &'static Gpu, case: Case, optimizer: Optimizer, carries: bool) -> usize {
    let what = |tensor: &str| format!("{tensor} of {case:?} with {optimizer:?}, carrying: {carries}");
    let rig = Rig::with_moments(gpu, case, optimizer.moments);
    let shape = case.shape();
    let lines = shape.replicas * shape.batch;
    let mut writer = ScheduleWriter::new(gpu, optimizer, shape.replicas, STEPS).unwrap();
    writer.write(gpu, STEPS, |replica, step| samples(replica, step, shape.batch));
    let input = rig.tensor(case.inputs, &vec![0.0; lines * shape.inputs]);
    let gradient = rig.tensor(case.outputs, &vec![0.0; lines * shape.outputs]);
    let plan = plan(&rig, writer.rule(), [&input, &gradient], carries);
    assert!(!plan.iter().any(|dispatch| dispatch.name().ends_with("naive")));
    let adaptive = optimizer.kind != OptimizerKind::Sgd;
    let mut taken = vec![0; shape.replicas];
    for step in 0..STEPS {
        let x = values(lines * shape.inputs, 10 + step as u32);
        let dy = values(lines * shape.outputs, 20 + step as u32);
        let lies = || [rig.read_parameters(), rig.read_first_moments(), rig.read_second_moments()];
        let before = lies();
        input.write(gpu, &x);
        gradient.write(gpu, &dy);
        gpu.run_steps(&plan, step as u32..step as u32 + 1, &mut |_| ()).unwrap();
        let after = lies();
        let (dw, db) = dense::backward_weight(&wide(&dy), &wide(&x), shape);
        for (g, side) in [(dw, 0), (db, 1)] {
            let of = |all: &[(Vec<f32>, Vec<f32>); 3], part: usize| {
                if side == 0 { all[part].0.clone() } else { all[part].1.clone() }
            };
            let [p, m, v] = [0, 1, 2].map(|part| of(&before, part));
            let each = g.len() / shape.replicas;
            let twins: Vec<_> = (0..shape.replicas)
                .map(|replica| {
                    let own = replica * each..(replica + 1) * each;
                    let mut twin =
                        Moved::at([&p[own.clone()], &m[own.clone()], &v[own.clone()]], taken[replica]);
                    if samples(replica, step, shape.batch) > 0 {
                        twin.step(&g[own], &optimizer, rig.layer.rate_scale);
                    }
                    twin
                })
                .collect();
            let expected = joined(&twins, |twin| &twin.p);
            assert_close(&what("parameters"), &of(&after, 0), &expected, Tolerance::Balanced);
            let moments = [joined(&twins, |twin| &twin.m), joined(&twins, |twin| &twin.v)];
            for (expected, actual) in
                moments.iter().zip([of(&after, 1), of(&after, 2)]).take(1 + usize::from(adaptive))
            {
                let found = bias(&what("moments"), &actual, expected);
                assert!(found.abs() < most_bias(actual.len()), "{}: {found}", what("bias of moments"));
            }
        }
        for (replica, taken) in taken.iter_mut().enumerate() {
            *taken += u32::from(samples(replica, step, shape.batch) > 0);
        }
    }
    rig.layer.shards.len()
}

#[test]
fn every_variant_agrees_with_its_twin_for_every_optimiser() {
    for &case in CASES {
        for optimizer in optimizers().map(|rule| Optimizer { moments: Moments::Bf16, ..rule }) {
            for carries in [false, true] {
                for gpu in every_class() {
                    check(gpu, case, optimizer, carries);
                }
            }
        }
    }
}

#[test]
fn shards_agree_with_the_twins() {
    for &case in SHARDED {
        for carries in [false, true] {
            let optimizer = Optimizer { moments: Moments::Bf16, ..optimizers()[5] };
            assert!(check(small_gpu(), case, optimizer, carries) > 1, "{case:?} is one shard");
        }
    }
}

/// Moments that are cut off, not rounded by chance, have to fail.
#[test]
fn a_bias_is_seen() {
    let exact = wide(&values(3000, 7));
    let cut: Vec<f32> = exact.iter().map(|&x| moments_bf16::rounded(x as f32, 0.0)).collect();
    assert!(bias("cut off", &cut, &exact) < -most_bias(exact.len()));
    let by_chance = values(3000, 8);
    let right: Vec<f32> =
        exact.iter().zip(by_chance).map(|(&x, w)| moments_bf16::rounded(x as f32, w)).collect();
    assert!(bias("by chance", &right, &exact).abs() < most_bias(exact.len()));
}
