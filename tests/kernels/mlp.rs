//! A classifier of two dense layers in two dispatches: against the twins one after the other, and against the same
//! training layer by layer.

use crate::gather::{STEP, index, places, upload};
use crate::support::{every_class, sharing_gpu, values, wide};
use fedfunnel::data::{Dataset, ImageShape, epoch_order};
use fedfunnel::gpu::{Gpu, RowRange};
use fedfunnel::model::{ClassifierSpec, ModelSpec, Optimizer, OptimizerKind, ScheduleWriter};
use fedfunnel::ops::Activation;
use fedfunnel::ops::dense::{Dense, DenseShard, RowsAre};
use fedfunnel::ops::gather::ImageShard;
use fedfunnel::ops::mlp::{Batches, Mlp};
use fedfunnel::ops::{Arena, TrainedArena};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::mlp::{self as twin, MlpShape};
use fedfunnel::reference::optimizer::{self as rules, Adam, Sgd};
use fedfunnel::reference::{self, random};
use fedfunnel::training::{Cohort, Evaluator, ResidentImages};
use std::path::Path;

#[derive(Clone, Copy, Debug)]
struct Case {
    replicas: usize,
    batch: usize,
    channels: usize,
    plane: usize,
    hidden: usize,
    outputs: usize,
    activation: Activation,
    kind: OptimizerKind,
}

/// Odd sizes: tens of hidden values that end early, pairs and fours of samples that do.
const CASES: [Case; 4] = [
    Case {
        replicas: 1,
        batch: 5,
        channels: 1,
        plane: 36,
        hidden: 8,
        outputs: 3,
        activation: Activation::Relu,
        kind: OptimizerKind::Adam,
    },
    Case {
        replicas: 3,
        batch: 17,
        channels: 3,
        plane: 20,
        hidden: 20,
        outputs: 10,
        activation: Activation::Tanh,
        kind: OptimizerKind::AdamW,
    },
    Case {
        replicas: 3,
        batch: 8,
        channels: 1,
        plane: 4,
        hidden: 36,
        outputs: 9,
        activation: Activation::Sigmoid,
        kind: OptimizerKind::Sgd,
    },
    Case {
        replicas: 1,
        batch: 3,
        channels: 2,
        plane: 84,
        hidden: 4,
        outputs: 2,
        activation: Activation::Linear,
        kind: OptimizerKind::Adam,
    },
];

const IMAGES: usize = 23;

impl Case {
    fn width(&self) -> usize {
        self.channels * self.plane
    }

    /// Where weights and biases lie, each where a vec4 begins.
    fn offsets(&self) -> [usize; 4] {
        let hidden_bias = 4 + self.width() * self.hidden;
        let output_weights = hidden_bias + self.hidden + 4;
        [4, hidden_bias, output_weights, output_weights + self.hidden * self.outputs]
    }

    fn layers(&self) -> [Dense; 2] {
        let [first, first_bias, second, second_bias] = self.offsets();
        let layer = |inputs, outputs, activation, weight_offset, bias, rate_scale| Dense {
            inputs,
            outputs,
            rows_are: RowsAre::Outputs,
            activation,
            rate_scale,
            shards: vec![DenseShard {
                range: RowRange { start: 0, len: outputs },
                arena: 0,
                weight_offset,
                bias_offset: Some(bias),
            }],
        };
        [
            layer(self.width(), self.hidden, self.activation, first, first_bias, 0.5),
            layer(self.hidden, self.outputs, Activation::Linear, second, second_bias, 2.0),
        ]
    }
}

/// What a step left on the device, or what it should have.
#[derive(Clone, PartialEq, Debug)]
struct Stepped {
    parameters: Vec<f64>,
    first: Vec<f64>,
    second: Vec<f64>,
    tallies: Vec<f64>,
}

/// One step on the device and by its twin, from the same values.
fn step(gpu: &Gpu, case: Case) -> (Stepped, Stepped) {
    let Case { replicas, batch, channels, hidden, outputs, .. } = case;
    let width = case.width();
    let pixels: Vec<u8> = (0..(IMAGES * width) as u32).map(|i| random::bits(i, 0, 1, 3) as u8).collect();
    let labels: Vec<u8> = (0..IMAGES).map(|n| (n % outputs) as u8).collect();
    let [means, deviations] =
        [0.125, 0.25].map(|by| (0..channels).map(|c| by * (c + 2) as f64).collect::<Vec<_>>());
    let scales: Vec<[f32; 2]> = means
        .iter()
        .zip(&deviations)
        .map(|(mean, std)| [(1.0 / 255.0 / std) as f32, (-mean / std) as f32])
        .collect();
    let stride = (case.offsets()[3] + outputs).next_multiple_of(4) + 4;
    let end = case.offsets()[3] + outputs;
    // What lies behind the last bias is 0, as it is in a network's parameters, and stays so.
    let parameter = |(place, value): (usize, &f32)| if place % stride < end { value * 0.3 } else { 0.0 };
    let parameters: Vec<f32> = values(replicas * stride, 5).iter().enumerate().map(parameter).collect();
    let optimizer = Optimizer { kind: case.kind, lr: 0.01, weight_decay: 0.1, ..Optimizer::default() };
    let numbers = index(replicas, batch, IMAGES);
    let places = places(&numbers, replicas, batch);
    assert!(places.contains(&None));
    let there = |replica: usize| places[replica * batch..][..batch].iter().flatten().count();

    let shard = ImageShard {
        pixels: gpu.upload("pixels", &pixels).unwrap(),
        labels: gpu.upload("labels", &labels).unwrap(),
        range: RowRange { start: 0, len: IMAGES },
    };
    let (scales, index) = (gpu.upload("scales", &scales).unwrap(), upload(gpu, &numbers));
    let batches = Batches {
        images: &shard,
        scales: &scales,
        channel_width: case.plane,
        index: &index,
        replicas,
        batch,
    };
    let zeros = || gpu.zeros("moments", replicas * stride).unwrap();
    let arena = TrainedArena {
        parameters: Arena { buffer: gpu.upload("parameters", &parameters).unwrap(), stride },
        first_moments: zeros(),
        second_moments: Some(zeros()),
    };
    let mut writer = ScheduleWriter::new(gpu, optimizer, replicas, index.steps).unwrap();
    // The step that runs is the first that anybody takes.
    writer.write(gpu, index.steps, |replica, step| if step == STEP { there(replica) } else { 0 });
    let tallies = gpu.upload("tallies", &vec![0.5f32; replicas * batch * 2]).unwrap();
    let [first, second] = case.layers();
    let arenas = [arena.parameters.clone()];
    let mlp = Mlp::new(gpu, [&first, &second], &arenas, batches).unwrap().expect("kernels for it");
    let pass = mlp.pass(gpu, &arenas, &writer.schedule, &tallies, true).unwrap();
    let update = mlp.update(gpu, std::slice::from_ref(&arena), writer.rule()).unwrap();
    gpu.run_steps(&[pass, update], STEP as u32..STEP as u32 + 1, &mut |_| ()).unwrap();
    let read = |buffer| wide(&gpu.read::<f32>(buffer).unwrap());
    let actual = Stepped {
        parameters: read(&arena.parameters.buffer),
        first: read(&arena.first_moments),
        second: read(arena.second_moments.as_ref().unwrap()),
        tallies: read(&tallies),
    };

    // The same by the twin, replica by replica.
    let mut expected = Stepped {
        parameters: wide(&parameters),
        first: vec![0.0; replicas * stride],
        second: vec![0.0; replicas * stride],
        tallies: vec![0.5; replicas * batch * 2],
    };
    for replica in 0..replicas {
        let places = &places[replica * batch..][..batch];
        let x = reference::gather::gather(&pixels, width, places, &means, &deviations);
        let own = replica * stride..(replica + 1) * stride;
        let p = expected.parameters[own.clone()].to_vec();
        let [w1, b1, w2, b2] = case.offsets();
        let ranges = [w1..w1 + width * hidden, b1..b1 + hidden, w2..w2 + hidden * outputs, b2..b2 + outputs];
        let layers = ranges.clone().map(|range| p[range].to_vec());
        let labels = reference::gather::gather_labels(&labels, places);
        let shape = MlpShape { batch, inputs: width, hidden, outputs, activation: case.activation };
        let (loss, gradients) = twin::step(&x, &layers, &labels, shape);
        for place in 0..batch {
            expected.tallies[2 * (replica * batch + place)] += loss.loss[place];
            expected.tallies[2 * (replica * batch + place) + 1] += f64::from(loss.correct[place]);
        }
        for ((range, gradient), scale) in ranges.into_iter().zip(gradients).zip([0.5, 0.5, 2.0, 2.0]) {
            let at = own.start + range.start..own.start + range.end;
            let p = &mut expected.parameters[at.clone()];
            let m = &mut expected.first[at.clone()];
            let v = &mut expected.second[at];
            let lr = f64::from(optimizer.lr) * scale;
            let decay = f64::from(optimizer.weight_decay);
            let adam = Adam { learning_rate: lr, weight_decay: decay, ..Adam::default() };
            match case.kind {
                OptimizerKind::Adam => rules::adam(p, &gradient, m, v, 1, adam),
                OptimizerKind::AdamW => rules::adamw(p, &gradient, m, v, 1, adam),
                OptimizerKind::Sgd => {
                    rules::sgd(
                        p,
                        &gradient,
                        m,
                        Sgd { learning_rate: lr, momentum: 0.9, weight_decay: decay },
                    );
                }
            }
        }
    }
    (actual, expected)
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

#[test]
fn a_step_agrees_with_its_twins() {
    // The kernels are for lanes that share alone.
    let Some(gpu) = sharing_gpu() else { return };
    for case in CASES {
        let (actual, expected) = step(gpu, case);
        // Adam divides a gradient by its own size in its first step: where one is nearly zero, so is the tolerance.
        for (what, actual, expected, tolerance) in [
            ("tallies", &actual.tallies, &expected.tallies, Tolerance::Balanced),
            ("first moments", &actual.first, &expected.first, Tolerance::Balanced),
            ("second moments", &actual.second, &expected.second, Tolerance::Permissive),
            ("parameters", &actual.parameters, &expected.parameters, Tolerance::Permissive),
        ] {
            let what = format!("{what} of {case:?}");
            assert_close(&what, &narrow(actual), expected, tolerance);
            let mut wrong = expected.clone();
            let place = wrong.iter().position(|value| value.abs() > 1e-3).unwrap_or(0);
            wrong[place] += 0.05;
            assert!(compare(&what, &narrow(actual), &wrong, tolerance).is_err(), "{what}");
        }
    }
}

#[test]
fn layers_that_the_kernels_cannot_take_go_layer_by_layer() {
    let fits = |gpu: &Gpu, case: Case| {
        let stride = 1024;
        let zeros = |elements| gpu.zeros("zeros", elements).unwrap();
        let shard = ImageShard {
            pixels: zeros(IMAGES * case.width()),
            labels: zeros(IMAGES),
            range: RowRange { start: 0, len: IMAGES },
        };
        let index = upload(gpu, &index(1, case.batch, IMAGES));
        let batches = Batches {
            images: &shard,
            scales: &zeros(2 * case.channels),
            channel_width: case.plane,
            index: &index,
            replicas: 1,
            batch: case.batch,
        };
        let [first, second] = case.layers();
        let arenas = [Arena { buffer: zeros(stride), stride }];
        Mlp::new(gpu, [&first, &second], &arenas, batches).unwrap().is_some()
    };
    let case = CASES[0];
    for gpu in every_class() {
        assert_eq!(fits(gpu, case), gpu.class().shares_loads(), "{:?}", gpu.class());
    }
    for other in [
        Case { hidden: 7, ..case },
        Case { hidden: 68, ..case },
        Case { outputs: 11, ..case },
        Case { plane: 35, ..case },
    ] {
        assert!(every_class().into_iter().all(|gpu| !fits(gpu, other)), "{other:?}");
    }
}

fn spec() -> ClassifierSpec {
    let text = "name = \"m\"\nkind = \"classifier\"\ninput = [1, 4, 6]\n\
                [[layers]]\nkind = \"dense\"\noutputs = 12\nactivation = \"relu\"\n\
                [[layers]]\nkind = \"dense\"\noutputs = 5\n";
    ModelSpec::parse(text, Path::new("m")).unwrap().classifier().unwrap()
}

/// Parameters of three replicas after two epochs of a cohort, and what an evaluation says of them: of a
/// classifier of images of 1x4x6 pixels in five classes.
pub fn trained(gpu: &Gpu, spec: &ClassifierSpec) -> (Vec<Vec<f32>>, Vec<f64>) {
    let images = (0..57 * 24u32).map(|i| random::bits(i, 0, 9, 3) as u8).collect();
    let labels = (0..57).map(|n| n % 5).collect();
    let shape = ImageShape { channels: 1, height: 4, width: 6 };
    let data = Dataset { name: "d".into(), images, labels, shape, classes: 5, groups: None };
    let images = ResidentImages::upload(gpu, &data).unwrap();
    let mut cohort = Cohort::new(gpu, spec, &images, 3, 8, Optimizer::default()).unwrap();
    cohort.network.parameters.initialize(gpu, 3, false).unwrap();
    for epoch in 0..2 {
        // Unequal shares: the last steps are those of the first replica alone.
        let orders: Vec<_> = [57, 31, 8].map(|count| epoch_order(count, 1, epoch, true)).into();
        cohort.train(&orders, 0..cohort.steps(&orders), &mut |_| ()).unwrap();
    }
    let mut tallies = cohort.take_tallies().unwrap();
    let parameters = cohort.parameters().unwrap();
    tallies.extend(Evaluator::new(gpu, spec, &images, 2).unwrap().evaluate(&parameters).unwrap());
    (parameters, tallies.iter().flat_map(|tally| [tally.loss, tally.accuracy]).collect())
}

#[test]
fn a_training_is_what_it_is_layer_by_layer() {
    let all = every_class();
    let (first, others) = all.split_first().unwrap();
    let fused = trained(first, &spec());
    for gpu in others {
        let layers = trained(gpu, &spec());
        for (fused, layers) in fused.0.iter().zip(&layers.0) {
            assert_close("parameters", fused, &wide(layers), Tolerance::Permissive);
        }
        assert_close("tallies", &narrow(&fused.1), &layers.1, Tolerance::Balanced);
        assert!(compare("another replica", &fused.0[0], &wide(&layers.0[1]), Tolerance::Permissive).is_err());
    }
}
