//! Forward passes and input gradients.

use super::cases::{FAST, GENERAL, ODD, TILES, Taken, VALID, all};
use super::rig::{Case, Rig};
use crate::support::{assert_tensor, gpu, posing_gpu, processor, processors, values, wide};
use fedfunnel::gpu::{Gpu, Tensor};
use fedfunnel::ops::{Activated, Activation};
use fedfunnel::reference::activation;
use fedfunnel::reference::compare::{Tolerance, compare};

/// Whether lanes of this processor share what they load, in eights or in fours.
pub fn shares(gpu: &Gpu) -> bool {
    gpu.class().shares_loads() || gpu.shares_in_fours()
}

/// A processor's kernel. The forward one runs from the large side to the small one; transposed layers go the other way.
/// A processor whose lanes cannot read each other's values takes the kernels for any shape.
fn entry(gpu: &Gpu, case: Case, taken: Taken, forward: bool) -> &'static str {
    match (taken, forward != case.transposed) {
        (Taken::Aligned, _) if shares(gpu) => "conv3x3_product",
        (Taken::Any, _) if shares(gpu) => "conv3x3_any_product",
        (_, true) => "conv_forward_naive",
        (_, false) => "conv_backward_input_naive",
    }
}

/// The layer's output on the device and in the twin.
pub fn forward(gpu: &'static Gpu, case: Case) -> (Rig, Tensor, Vec<f64>) {
    let mut rig = Rig::new(gpu, case);
    let x = values(case.lines() * rig.layer.inputs(), 3);
    let input = rig.tensor(rig.layer.inputs(), &x);
    let output = rig.tensor(rig.layer.outputs(), &vec![9.0; case.lines() * rig.layer.outputs()]);
    rig.run(&rig.layer.forward(gpu, &rig.parameter_arenas(), &input, &output).unwrap());
    let (weights, biases) = rig.twin_weights();
    (rig, output, case.forward(&wide(&x), &weights, &biases))
}

/// Processors, each with every case and activation; the kernels of GPUs are in conv3x3_tiles.rs.
fn each_pass() -> impl Iterator<Item = (&'static Gpu, Case, Taken, Activation)> {
    let each =
        |(case, [taken, _]): (Case, [Taken; 2])| Activation::ALL.map(|activation| (case, taken, activation));
    let cases: Vec<_> = all().flat_map(each).collect();
    processors().into_iter().flat_map(move |gpu| {
        let own = cases.clone().into_iter();
        own.map(move |(case, taken, activation)| (gpu, case, taken, activation))
    })
}

#[test]
fn forward_passes_agree_with_their_twin_for_every_activation() {
    for (gpu, case, taken, activation) in each_pass() {
        let case = case.activation(activation);
        let (rig, output, expected) = forward(gpu, case);
        let what = format!("{case:?} by {:?}", gpu.class());
        assert_tensor(&what, gpu, &output, &expected, Tolerance::Balanced);
        assert!(rig.reached.iter().eq([&entry(gpu, case, taken, true)]), "{what}: {:?}", rig.reached);
        let (weights, biases) = rig.read_parameters();
        assert!(weights == rig.weights && biases == rig.biases, "{what}: the layer was changed");
    }
}

/// The gradient at what came out of `before`, on the device and in the twin: with the derivative, and
/// without it.
pub fn backward(gpu: &'static Gpu, case: Case, before: Activation) -> (Rig, Tensor, [Vec<f64>; 2]) {
    let mut rig = Rig::new(gpu, case);
    let dy = values(case.lines() * rig.layer.outputs(), 4);
    let outputs_before: Vec<f32> = values(case.lines() * rig.layer.inputs(), 5)
        .into_iter()
        .map(|x| before.apply(f64::from(x)) as f32)
        .collect();
    let gradient = rig.tensor(rig.layer.outputs(), &dy);
    let input = rig.tensor(rig.layer.inputs(), &outputs_before);
    let into = rig.tensor(rig.layer.inputs(), &vec![9.0; outputs_before.len()]);
    let arenas = rig.parameter_arenas();
    rig.run(
        &rig.layer
            .backward_input(gpu, &arenas, &gradient, Activated { values: &input, activation: before }, &into)
            .unwrap(),
    );
    let dx = case.backward_input(&wide(&dy), &rig.twin_weights().0);
    let expected = activation::backward(&dx, &wide(&outputs_before), before);
    (rig, into, [expected, dx])
}

#[test]
fn input_gradients_agree_with_their_twin_for_every_activation() {
    for (gpu, case, taken, before) in each_pass() {
        // The layer's own activation is behind dy and must not be looked at.
        let case = case.activation(Activation::Sigmoid);
        let (rig, into, [expected, bare]) = backward(gpu, case, before);
        let what = format!("{case:?}, {before:?} by {:?}", gpu.class());
        assert_tensor(&what, gpu, &into, &expected, Tolerance::Balanced);
        assert!(rig.reached.iter().eq([&entry(gpu, case, taken, false)]), "{what}: {:?}", rig.reached);
        let (weights, biases) = rig.read_parameters();
        assert!(weights == rig.weights && biases == rig.biases, "{what}: the layer was changed");
        if before != Activation::Linear {
            let outcome = compare("dx", &into.read(gpu).unwrap(), &bare, Tolerance::Permissive);
            assert!(outcome.is_err(), "{what}: no derivative was taken");
        }
    }
}

#[test]
fn saturated_activations_stay_finite() {
    for case in [GENERAL[0], FAST[0].0, ODD[3], VALID[3]] {
        for activation in Activation::ALL {
            let case = case.activation(activation);
            let mut rig = Rig::new(gpu(), case);
            let x: Vec<f32> =
                values(case.lines() * rig.layer.inputs(), 3).into_iter().map(|x| 1e4 * x).collect();
            let input = rig.tensor(rig.layer.inputs(), &x);
            let output = rig.tensor(rig.layer.outputs(), &vec![9.0; case.lines() * rig.layer.outputs()]);
            rig.run(&rig.layer.forward(gpu(), &rig.parameter_arenas(), &input, &output).unwrap());
            let (weights, biases) = rig.twin_weights();
            let expected = case.forward(&wide(&x), &weights, &biases);
            assert_tensor(&format!("{case:?}"), gpu(), &output, &expected, Tolerance::Balanced);
        }
    }
}

/// Each kernel's weights, of every channel of the small side.
fn each_kernel(case: Case, weights: &[f64], change: impl Fn(&mut [f64])) -> Vec<f64> {
    let mut weights = weights.to_vec();
    weights.chunks_mut(case.shape.kernel[0] * case.shape.kernel[1]).for_each(change);
    weights
}

/// Twins that are wrong in one thing have to fail, by all kernels and in both directions.
#[test]
fn a_wrong_layer_fails() {
    let own =
        [GENERAL[1], GENERAL[12], FAST[1].0, FAST[3].0, FAST[18].0, ODD[0], ODD[5], VALID[1], VALID[10]]
            .map(|case| (processor(), case));
    let tiles =
        [TILES[1], TILES[3], TILES[4], TILES[8], VALID[1], VALID[10]].map(|case| (posing_gpu(), case));
    for (gpu, case) in own.into_iter().chain(tiles) {
        let (rig, output, _) = forward(gpu, case);
        let x = wide(&values(case.lines() * rig.layer.inputs(), 3));
        let y = output.read(gpu).unwrap();
        let (_, into, _) = backward(gpu, case, Activation::Linear);
        let dy = wide(&values(case.lines() * rig.layer.outputs(), 4));
        let dx = into.read(gpu).unwrap();
        let (weights, biases) = rig.twin_weights();
        let fails = |what: &str, case: Case, weights: &[f64], biases: &[f64]| {
            let expected = case.forward(&x, weights, biases);
            assert!(compare(what, &y, &expected, Tolerance::Permissive).is_err(), "{case:?}: {what}, y");
            if weights != rig.twin_weights().0 {
                let expected = case.backward_input(&dy, weights);
                let outcome = compare(what, &dx, &expected, Tolerance::Permissive);
                assert!(outcome.is_err(), "{case:?}: {what}, dx");
            }
        };
        let mut wrong = weights.clone();
        *wrong.last_mut().unwrap() += 0.05;
        fails("a weight", case, &wrong, &biases);
        let mut wrong = biases.clone();
        *wrong.last_mut().unwrap() += 0.05;
        fails("a bias", case, &weights, &wrong);
        fails("turned kernels", case, &each_kernel(case, &weights, |kernel| kernel.reverse()), &biases);
        fails("shifted kernels", case, &each_kernel(case, &weights, |kernel| kernel.rotate_left(1)), &biases);
        let mut wrong = weights.clone();
        wrong.rotate_left(case.shape.weights());
        fails("another replica's weights", case, &wrong, &biases);
        let mut wrong = biases.clone();
        wrong.rotate_left(rig.layer.output_channels());
        fails("another replica's biases", case, &weights, &wrong);
        fails("another activation", case.activation(Activation::Relu), &weights, &biases);
    }
}
