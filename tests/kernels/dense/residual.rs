//! The last layer with its loss in one pass, against the twins' forward pass, loss and gradient.

use super::rig::{Case, Rig};
use crate::support::{
    assert_tensor, every_class, plain_gpu, posing_gpu, sharing_gpu, small_sharing_gpu, values, wide,
};
use fedfunnel::gpu::Gpu;
use fedfunnel::model::{Optimizer, ScheduleWriter};
use fedfunnel::ops::Activation;
use fedfunnel::ops::dense::RowsAre::Outputs;
use fedfunnel::ops::gather::NOTHING;
use fedfunnel::ops::loss::{ErrorTallies, Targets};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::dense;
use std::collections::BTreeSet;

/// [R, B, I, O]; tallies are of 256 rows, and each tile of samples has its kernel, of up to 48.
const CASES: &[Case] = &[
    Case::new([1, 5, 12, 7], Outputs),
    Case::new([3, 9, 20, 301], Outputs).lead(4).activation(Activation::Tanh),
    Case::new([1, 17, 36, 770], Outputs).shard_rows(300).activation(Activation::Sigmoid),
    Case::new([3, 2, 8, 513], Outputs).activation(Activation::Relu),
    Case::new([3, 26, 8, 259], Outputs),
    Case::new([1, 40, 12, 261], Outputs).activation(Activation::Tanh),
    Case::new([1, 43, 8, 19], Outputs).lead(4),
    Case::new([3, 50, 8, 270], Outputs).shard_rows(100),
];

/// Replica 1 has an empty place in its batch.
fn is_empty(case: &Case, line: usize) -> bool {
    line == case.batch + 1
}

fn check(gpu: &'static Gpu, case: Case) -> usize {
    let rig = Rig::new(gpu, case);
    let shape = case.shape();
    let lines = shape.replicas * shape.batch;
    let mut writer = ScheduleWriter::new(gpu, Optimizer::default(), shape.replicas, 2).unwrap();
    writer.write(gpu, 2, |_, step| shape.batch + step);
    let (x, targets) = (values(lines * shape.inputs, 4), values(lines * shape.outputs, 5));
    let input = rig.tensor(case.inputs, &x);
    let wanted = rig.tensor(case.outputs, &targets);
    let gradient = rig.tensor(case.outputs, &vec![9.0; lines * shape.outputs]);
    let tallies = ErrorTallies::new(gpu, &gradient).unwrap();
    let numbers: Vec<u32> =
        (0..lines).map(|line| if is_empty(&case, line) { NOTHING } else { line as u32 }).collect();
    let labels = gpu.upload("labels", &numbers).unwrap();
    let arenas = rig.parameter_arenas();
    let plan = rig
        .layer
        .residual(
            gpu,
            &arenas,
            &input,
            Targets { values: &wanted, labels: &labels, schedule: &writer.schedule },
            &gradient,
            &tallies,
        )
        .unwrap()
        .expect("a kernel for this shape");
    // Two steps: tallies add up, and the second step's number of samples counts for the gradient.
    gpu.run_steps(&plan, 0..2, &mut |_| ()).unwrap();

    let (weights, biases) = rig.twin_weights();
    let y = dense::forward(&wide(&x), &weights, &biases, shape, case.activation);
    let (mut expected, mut squares) = (vec![0.0; y.len()], vec![0.0; lines]);
    for (at, (y, target)) in y.iter().zip(&targets).enumerate() {
        let line = at / shape.outputs;
        if is_empty(&case, line) {
            continue;
        }
        let error = y - f64::from(*target);
        squares[line] += 2.0 * error * error;
        let weight = 2.0 / ((shape.batch + 1) * shape.outputs) as f64;
        expected[at] = weight * error * case.activation.derivative_from_output(*y);
    }
    assert_tensor(&format!("gradient of {case:?}"), gpu, &gradient, &expected, Tolerance::Balanced);
    let taken: Vec<f32> = tallies.take(gpu).unwrap().iter().map(|&sum| sum as f32).collect();
    assert_close(&format!("tallies of {case:?}"), &taken, &squares, Tolerance::Balanced);
    let one_step: Vec<f64> = squares.iter().map(|sum| sum / 2.0).collect();
    assert!(compare("tallies", &taken, &one_step, Tolerance::Permissive).is_err(), "{case:?}");
    rig.layer.shards.len()
}

#[test]
fn gradient_and_tallies_agree_with_the_twins() {
    // Where lanes cannot share there is no kernel for it; the layer and its loss run one after the other.
    let (Some(gpu), Some(small_gpu)) = (sharing_gpu(), small_sharing_gpu()) else { return };
    for case in CASES {
        check(gpu, *case);
    }
    let groups: BTreeSet<_> = CASES.iter().map(|case| case.batch.div_ceil(8)).collect();
    assert!((1..=7).all(|number| groups.contains(&number)), "each kernel, and two tiles: {groups:?}");
    assert!(check(small_gpu, Case::new([3, 4, 12, 1501], Outputs)) > 1);
}

#[test]
fn without_sharing_lanes_or_multiples_of_four_there_is_no_such_pass() {
    let thirteen = every_class().into_iter().map(|gpu| (gpu, Case::new([1, 5, 13, 7], Outputs)));
    for (gpu, case) in thirteen.chain([(plain_gpu(), CASES[0]), (posing_gpu(), CASES[0])]) {
        let rig = Rig::new(gpu, case);
        assert!(!rig.layer.has_residual(gpu, &rig.parameter_arenas()), "{case:?}");
    }
}
