//! Gradients of weights and biases, as the update of a layer forms them, and the steps taken with them.

use super::cases::{FAST, GENERAL, ODD, TILES, Taken, VALID, all};
use super::products::shares;
use super::rig::{Case, Parameters, RATE_SCALE, Rig};
use crate::optimizer::{Moved, joined, optimizers, samples, wrong_settings};
use crate::support::{gpu, posing_gpu, processor, processors, values, wide};
use fedfunnel::gpu::{Dispatch, Gpu};
use fedfunnel::model::{Optimizer, OptimizerKind, ScheduleWriter};
use fedfunnel::ops::{Activated, Activation};
use fedfunnel::reference::activation;
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::finite_difference::central_gradient;

const STEPS: usize = 3;

/// One step of SGD at a rate of 1 from parameters of zero; what the layer became, and its first moments.
pub fn gradient(gpu: &'static Gpu, case: Case, x: &[f32], dy: &[f32]) -> (Rig, [Parameters; 2]) {
    let layer = case.layer();
    let zeros = |count: usize| vec![0.0; case.replicas * count];
    let mut rig = Rig::with(gpu, case, zeros(case.shape.weights()), zeros(layer.output_channels()));
    let sgd = Optimizer { kind: OptimizerKind::Sgd, lr: 1.0, momentum: 0.0, ..Default::default() };
    let mut writer = ScheduleWriter::new(gpu, sgd, case.replicas, 1).unwrap();
    writer.write(gpu, 1, |_, _| case.batch);
    let (input, output) = (rig.tensor(layer.inputs(), x), rig.tensor(layer.outputs(), dy));
    rig.run(&layer.update(gpu, &rig.arenas, writer.rule(), &input, &output).unwrap());
    let read = [rig.read_parameters(), rig.read_first_moments()];
    let (second_weights, second_biases) = rig.read_second_moments();
    let untouched = second_weights.iter().chain(&second_biases).all(|&v| v == 0.0);
    assert!(untouched, "{case:?}: SGD wrote second moments");
    (rig, read)
}

pub fn given(case: Case) -> (Vec<f32>, Vec<f32>) {
    let layer = case.layer();
    (values(case.lines() * layer.inputs(), 3), values(case.lines() * layer.outputs(), 4))
}

/// The kernels of processors; those of GPUs are in conv3x3_tiles.rs.
#[test]
fn gradients_agree_with_their_twin() {
    processors().into_iter().for_each(agree_with_their_twin);
}

fn agree_with_their_twin(gpu: &'static Gpu) {
    for (case, [_, taken]) in all() {
        let (x, dy) = given(case);
        let (rig, [moved, formed]) = gradient(gpu, case, &x, &dy);
        let (dw, db) = case.backward_weight(&wide(&dy), &wide(&x));
        let step = |g: &[f64]| g.iter().map(|g| -f64::from(RATE_SCALE) * g).collect::<Vec<_>>();
        for (what, actual, expected) in [
            ("dw", &formed.0, &dw),
            ("db", &formed.1, &db),
            ("weights", &moved.0, &step(&dw)),
            ("biases", &moved.1, &step(&db)),
        ] {
            assert_close(&format!("{what} of {case:?}"), actual, expected, Tolerance::Balanced);
        }
        let entry = match taken {
            Taken::Aligned if shares(gpu) => "conv3x3_weight_gradient",
            Taken::Any if shares(gpu) => "conv3x3_any_weight_gradient",
            _ => "conv_weight_gradient_naive",
        };
        let wanted = ["conv_bias_gradient", entry, "optimizer_sgd"];
        let mut reached: Vec<_> = rig.reached.iter().copied().collect();
        reached.sort_unstable_by_key(|name| wanted.iter().position(|wanted| wanted == name));
        assert_eq!(reached, wanted, "{case:?}");
    }
}

/// Batches whose pixels are more than one dispatch adds up: lavapipe's compiler leaves every loop after
/// 65,535 rounds. The gradients are sums of ones, so that a part that is left out shows.
#[test]
fn gradients_of_large_batches_are_added_up_whole() {
    let wide_kernel = Case::new([2, 70, 1, 1], [32, 31], [[1, 1, 0, 0]; 2]);
    let fast = Case::same([1, 600, 1, 1], [32, 32]);
    let odd = Case::same([1, 600, 1, 1], [32, 31]);
    let valid = Case::valid([1, 600, 1, 1], [32, 32]);
    let cases = [wide_kernel, wide_kernel.transposed(), fast, odd, valid];
    for (gpu, case) in processors().into_iter().flat_map(|gpu| cases.map(|case| (gpu, case))) {
        let layer = case.layer();
        let [x, dy] = [layer.inputs(), layer.outputs()].map(|width| vec![1.0; case.lines() * width]);
        let (rig, [_, (dw, db)]) = gradient(gpu, case, &x, &dy);
        let (expected_dw, expected_db) = case.backward_weight(&wide(&dy), &wide(&x));
        assert_close("dw", &dw, &expected_dw, Tolerance::Exact);
        assert_close("db", &db, &expected_db, Tolerance::Exact);
        assert_eq!(rig.reached.len(), 3, "{:?}", rig.reached);
    }
}

/// Twins that are wrong in one thing have to fail, by all kernels and in both directions.
#[test]
fn a_wrong_gradient_fails() {
    let own = [GENERAL[1], GENERAL[12], FAST[3].0, FAST[18].0, ODD[0], ODD[5], VALID[1], VALID[10]]
        .map(|case| (processor(), case));
    let tiles = [TILES[1], TILES[3], TILES[4], VALID[1], VALID[10]].map(|case| (posing_gpu(), case));
    for (gpu, case) in own.into_iter().chain(tiles) {
        let (x, dy) = given(case);
        let (_, [_, (dw, db)]) = gradient(gpu, case, &x, &dy);
        let fails = |what: &str, x: &[f64], dy: &[f64], biases: bool| {
            let (wrong_dw, wrong_db) = case.backward_weight(dy, x);
            assert!(compare(what, &dw, &wrong_dw, Tolerance::Balanced).is_err(), "{case:?}: {what}");
            let outcome = compare(what, &db, &wrong_db, Tolerance::Balanced);
            assert_eq!(outcome.is_err(), biases, "{case:?}: {what}: {outcome:?}");
        };
        let (x, dy) = (wide(&x), wide(&dy));
        let mut wrong = x.clone();
        wrong.rotate_left(case.batch * case.layer().inputs());
        fails("another replica's inputs", &wrong, &dy, false);
        let mut wrong = x.clone();
        wrong.rotate_left(1);
        fails("shifted inputs", &wrong, &dy, false);
        let mut wrong = dy.clone();
        *wrong.last_mut().unwrap() += 0.05;
        fails("a gradient", &x, &wrong, true);
    }
}

/// What the kernels compute is the gradient of what the kernels compute: central differences of the twin's
/// forward pass, for inputs, weights and biases, with the layer's own activation in between.
#[test]
fn gradients_agree_with_finite_differences() {
    let general = Case::new([2, 2, 2, 3], [3, 5], [[2, 2, 1, 0], [3, 1, 0, 1]]).lead(1);
    let same = Case::same([2, 2, 2, 3], [2, 8]);
    let tiled = Case::same([2, 2, 2, 3], [3, 5]);
    let valid = Case::valid([2, 2, 2, 3], [4, 7]);
    let own = [general, general.transposed(), same, tiled, valid].map(|case| (processor(), case));
    for (gpu, case) in own.into_iter().chain([tiled, valid].map(|case| (posing_gpu(), case))) {
        Activation::ALL.into_iter().for_each(|own| finite_differences(gpu, case.activation(own)));
    }
}

fn finite_differences(gpu: &'static Gpu, case: Case) {
    let mut rig = Rig::new(gpu, case);
    let (x, weighting) = given(case);
    let weighting = wide(&weighting);
    let (weights, biases) = rig.twin_weights();
    let objective = |x: &[f64], w: &[f64], b: &[f64]| -> f64 {
        case.forward(x, w, b).iter().zip(&weighting).map(|(y, weight)| y * weight).sum()
    };
    let y = case.forward(&wide(&x), &weights, &biases);
    let dy: Vec<f32> =
        activation::backward(&weighting, &y, case.activation).iter().map(|&d| d as f32).collect();
    let (input, output) = (rig.tensor(rig.layer.inputs(), &x), rig.tensor(rig.layer.outputs(), &dy));
    let into = rig.tensor(rig.layer.inputs(), &vec![9.0; x.len()]);
    let arenas = rig.parameter_arenas();
    let linear = Activated { values: &input, activation: Activation::Linear };
    rig.run(&rig.layer.backward_input(gpu, &arenas, &output, linear, &into).unwrap());
    let (_, [_, (dw, db)]) = gradient(gpu, case, &x, &dy);
    let x = wide(&x);
    for (what, actual, expected) in [
        ("dx", into.read(gpu).unwrap(), central_gradient(|at| objective(at, &weights, &biases), &x, 1e-5)),
        ("dw", dw, central_gradient(|at| objective(&x, at, &biases), &weights, 1e-5)),
        ("db", db, central_gradient(|at| objective(&x, &weights, at), &biases, 1e-5)),
    ] {
        assert_close(&format!("{what} of {case:?}"), &actual, &expected, Tolerance::Balanced);
        let mut wrong = expected;
        wrong[0] += 0.01;
        assert!(compare(what, &actual, &wrong, Tolerance::Balanced).is_err(), "{what} of {case:?}");
    }
}

/// Three steps on the device and in the twin, the second replica resting in the second; for
/// `[weights, biases]`.
fn train(case: Case, optimizer: &Optimizer) -> (Rig, [Vec<Moved>; 2]) {
    let rig = Rig::new(gpu(), case);
    let (layer, lines) = (&rig.layer, case.lines());
    let mut writer = ScheduleWriter::new(gpu(), *optimizer, case.replicas, STEPS).unwrap();
    writer.write(gpu(), STEPS, |replica, step| samples(replica, step, case.batch));
    let input = rig.tensor(layer.inputs(), &vec![0.0; lines * layer.inputs()]);
    let output = rig.tensor(layer.outputs(), &vec![0.0; lines * layer.outputs()]);
    let plan: Vec<Dispatch> = layer.update(gpu(), &rig.arenas, writer.rule(), &input, &output).unwrap();
    let per_replica = [case.shape.weights(), layer.output_channels()];
    let (weights, biases) = rig.twin_weights();
    let mut twins = [
        weights.chunks(per_replica[0]).map(Moved::new).collect::<Vec<_>>(),
        biases.chunks(per_replica[1]).map(Moved::new).collect(),
    ];
    for step in 0..STEPS {
        let x = values(lines * layer.inputs(), 10 + step as u32);
        let dy = values(lines * layer.outputs(), 20 + step as u32);
        input.write(gpu(), &x);
        output.write(gpu(), &dy);
        gpu().run_steps(&plan, step as u32..step as u32 + 1, &mut |_| ()).unwrap();
        let (dw, db) = case.backward_weight(&wide(&dy), &wide(&x));
        for (place, gradient) in [dw, db].iter().enumerate() {
            for (replica, own) in gradient.chunks(per_replica[place]).enumerate() {
                if samples(replica, step, case.batch) > 0 {
                    twins[place][replica].step(own, optimizer, RATE_SCALE);
                }
            }
        }
    }
    (rig, twins)
}

#[test]
fn steps_agree_with_their_twin_for_every_optimiser() {
    for case in [GENERAL[1], GENERAL[12], FAST[3].0] {
        for optimizer in optimizers() {
            let (rig, twins) = train(case, &optimizer);
            let mut memory = vec![
                ("parameters", rig.read_parameters(), (|twin| &twin.p) as fn(&Moved) -> &Vec<f64>),
                ("first moments", rig.read_first_moments(), |twin| &twin.m),
            ];
            if optimizer.kind != OptimizerKind::Sgd {
                memory.push(("second moments", rig.read_second_moments(), |twin| &twin.v));
            }
            for (what, (weights, biases), part) in memory {
                for (tensor, actual, place) in [("weights", weights, 0), ("biases", biases, 1)] {
                    let what = format!("{what} of the {tensor} of {case:?} with {optimizer:?}");
                    assert_close(&what, &actual, &joined(&twins[place], part), Tolerance::Balanced);
                }
            }
        }
    }
}

#[test]
fn a_wrong_setting_fails() {
    for (what, right, wrong) in wrong_settings() {
        let (rig, _) = train(GENERAL[1], &right);
        let (_, twins) = train(GENERAL[1], &wrong);
        let expected = joined(&twins[0], |twin| &twin.p);
        let outcome = compare(what, &rig.read_parameters().0, &expected, Tolerance::Balanced);
        assert!(outcome.is_err(), "a wrong {what} passes");
    }
}
