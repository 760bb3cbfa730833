//! The gradients of the CIFAR-10 classifier's steps, from the same weights by the kernels of every class of device,
//! against the f64 twin, which tests/reference/ holds to PyTorch over ten steps.
//!
//! Steps are compared one by one because a training multiplies what rounding decides. A unit whose sum is next to zero is
//! on by one adapter and off by another, and so is the largest of a window where two are alike; either is as right, and
//! changes the gradients by a thousandth. Here the twin takes the device's decisions, so that what is left is the kernels'
//! own rounding, and every decision that it would have taken otherwise has to be next to a tie.

use super::cifar10::{CIFAR10, TENSORS};
use super::{STEPS, Steps};
use crate::golden::Golden;
use crate::support::{every_class, gpu, wide};
use crate::vgg3::{self, BATCH, Decisions, Layer, Pass};
use fedfunnel::gpu::Gpu;
use fedfunnel::model::{Optimizer, OptimizerKind};
use fedfunnel::reference::activation::Activation;
use fedfunnel::reference::gather::{gather, gather_labels};
use fedfunnel::reference::pool;
use safetensors::Dtype;
use std::collections::HashMap;

/// The steps that are looked at: without optimisation the twin takes ten times as long.
const LOOKED_AT: &[usize] = if cfg!(debug_assertions) { &[0] } else { &[0, 4, 9] };

/// How far a gradient may lie from the twin's, in L2, relative to it; a device's activations too. Measured: 7e-7 by the
/// kernels of each class on lavapipe, where one unit that decides otherwise makes 3.5e-3.
const LIMIT: f64 = 1e-5;

/// How near to a tie a decision has to be that the twin takes otherwise, in root mean squares of its layer.
const TIE: f64 = 1e-5;

/// A rate beside which weights are nothing, so that what a step makes of them is the gradient to the last bits.
const RATE: f32 = 1048576.0;

fn sgd(lr: f32, momentum: f32) -> Optimizer {
    Optimizer { kind: OptimizerKind::Sgd, lr, momentum, ..Default::default() }
}

fn batches() -> Vec<Vec<Vec<u32>>> {
    let batch = |step: usize| (0..BATCH).map(|place| (step * BATCH + place) as u32).collect();
    vec![(0..STEPS).map(batch).collect()]
}

/// The weights before each step of a training by SGD.
fn weights() -> Vec<Vec<f32>> {
    let steps = Steps::new(gpu(), &CIFAR10, sgd(0.01, 0.9), &batches());
    let before = |step: usize| {
        let weights = steps.network.parameters.read(gpu()).unwrap().remove(0);
        gpu().run_steps(&steps.plan, step as u32..step as u32 + 1, &mut |_| ()).unwrap();
        weights
    };
    (0..STEPS).map(before).collect()
}

/// What a device makes of a step: the values between its layers, and the gradients.
struct Step {
    activations: Vec<Vec<f64>>,
    gradients: Vec<f64>,
}

fn step(gpu: &Gpu, steps: &Steps, weights: &[f32], step: usize) -> Step {
    steps.network.parameters.write(gpu, 0, weights);
    gpu.run_steps(&steps.plan, step as u32..step as u32 + 1, &mut |_| ()).unwrap();
    let after = steps.network.parameters.read(gpu).unwrap().remove(0);
    let moved = |(before, after): (&f32, &f32)| (f64::from(*before) - f64::from(*after)) / f64::from(RATE);
    Step {
        activations: steps.workspace.activations.iter().map(|own| wide(&own.read(gpu).unwrap())).collect(),
        gradients: weights.iter().zip(&after).map(moved).collect(),
    }
}

/// The twin's weights, `[weight, bias]` of each layer.
fn split(flat: &[f64]) -> Vec<[&[f64]; 2]> {
    let mut rest = flat;
    let mut next = |tensor: usize| {
        let own;
        (own, rest) = rest.split_at(TENSORS[tensor].1.iter().product());
        own
    };
    (0..TENSORS.len() / 2).map(|layer| [next(2 * layer), next(2 * layer + 1)]).collect()
}

fn size(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn relative(actual: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(actual.len(), expected.len());
    let distance: Vec<_> = actual.iter().zip(expected).map(|(actual, expected)| actual - expected).collect();
    size(&distance) / size(expected)
}

/// Of each decision that the twin would have taken otherwise, how far it is from a tie.
fn otherwise(pass: &Pass) -> Vec<f64> {
    let mut all = Vec::new();
    for (place, layer) in vgg3::layers().iter().enumerate() {
        let mean = |values: &[f64]| size(values) / (values.len() as f64).sqrt();
        match (layer, &pass.decisions[place]) {
            // The last one has no units that are on or off.
            (Layer::Dense(_, Activation::Linear), _) => {}
            (_, Decisions::Units([sums, signs])) => {
                let other = sums.iter().zip(signs).filter(|(sum, sign)| (**sum > 0.0) != (**sign > 0.0));
                all.extend(other.map(|(sum, _)| sum.abs() / mean(sums)));
            }
            (Layer::Pool(shape), Decisions::Largest(_)) => {
                let largest = pool::max_forward(&pass.values[place], *shape).0;
                let chosen = largest.iter().zip(&pass.values[place + 1]);
                let other = chosen.filter(|(largest, chosen)| largest > chosen);
                all.extend(other.map(|(largest, chosen)| (largest - chosen) / mean(&pass.values[place])));
            }
            _ => unreachable!("only pools have windows"),
        }
    }
    all
}

/// What a device's values decide: which units are on, and which values are the largest of their windows.
fn decisions(activations: &[Vec<f64>]) -> Vec<Vec<u32>> {
    let of = |(place, layer): (usize, Layer)| match layer {
        Layer::Pool(shape) => pool::max_forward(&activations[place], shape).1,
        _ => activations[place + 1].iter().map(|value| u32::from(*value > 0.0)).collect(),
    };
    vgg3::layers().into_iter().enumerate().map(of).collect()
}

/// The names and distances of what lies beyond the limit.
fn beyond<'a>(
    named: impl Iterator<Item = (&'a str, &'a [f64])>,
    expected: impl Iterator<Item = &'a [f64]>,
) -> Vec<(&'a str, f64)> {
    let each = named.zip(expected).map(|((name, actual), expected)| (name, relative(actual, expected)));
    each.filter(|(_, distance)| *distance > LIMIT || distance.is_nan()).collect()
}

/// The same of the gradients of a step.
fn wrong<'a>(gradients: &'a [f64], twin: &'a [[Vec<f64>; 2]]) -> Vec<(&'a str, f64)> {
    let names = TENSORS.iter().map(|(name, _)| *name);
    beyond(names.zip(split(gradients).into_iter().flatten()), twin.iter().flatten().map(Vec::as_slice))
}

#[test]
fn gradients_are_the_twin_s_by_the_kernels_of_every_class() {
    let inputs = Golden::open(CIFAR10.inputs);
    let (images, labels) = (inputs.bytes("images", Dtype::U8), inputs.bytes("labels", Dtype::U8));
    let weights = weights();
    let devices: Vec<_> = every_class()
        .into_iter()
        .map(|gpu| (gpu, Steps::new(gpu, &CIFAR10, sgd(RATE, 0.0), &batches())))
        .collect();
    for &number in LOOKED_AT {
        let index: Vec<_> = (number * BATCH..(number + 1) * BATCH).map(Some).collect();
        let x = gather(&images, 3072, &index, &[0.5; 3], &[0.25; 3]);
        let labels = gather_labels(&labels, &index);
        let twin_weights = wide(&weights[number]);
        let tensors = split(&twin_weights);
        let mut passes = HashMap::new();
        for (place, (gpu, steps)) in devices.iter().enumerate() {
            let what = format!("step {number} by {:?}", gpu.class());
            let Step { activations, gradients } = step(gpu, steps, &weights[number], number);
            // Most devices decide alike, and are held against the same pass.
            let (pass, twin) = &*passes.entry(decisions(&activations)).or_insert_with(|| {
                let pass = vgg3::forward(&tensors, x.clone(), Some(&activations));
                let (_, twin) = vgg3::backward(&tensors, &pass, &labels);
                (pass, twin)
            });
            let ties = otherwise(pass);
            assert!(ties.iter().all(|distance| *distance < TIE), "{what}: {ties:?}");
            let values = activations.iter().map(|own| ("values", own.as_slice()));
            assert_eq!(beyond(values, pass.values.iter().map(Vec::as_slice)), [], "{what}");
            assert_eq!(wrong(&gradients, twin), [], "{what}");

            // What it has to notice: a tensor's gradient that is a hundredth off,
            let mut off = gradients.clone();
            let last = off.len() - TENSORS[15].1[0];
            off[last..].iter_mut().for_each(|value| *value *= 1.01);
            assert_eq!(
                wrong(&off, twin).iter().map(|(name, _)| *name).collect::<Vec<_>>(),
                ["18.bias"],
                "{what}"
            );
            // and a single unit of 65,536 that is on and has to be off: one of the third convolution.
            if place == 0 {
                let mut decided = activations.clone();
                let on = decided[4].iter().position(|value| *value > 0.0).unwrap();
                decided[4][on] = 0.0;
                let pass = vgg3::forward(&tensors, x.clone(), Some(&decided));
                let (_, other) = vgg3::backward(&tensors, &pass, &labels);
                let found = wrong(&gradients, &other);
                assert!(!found.is_empty(), "{what}");
            }
        }
    }
}
