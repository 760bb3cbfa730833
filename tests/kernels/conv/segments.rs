//! Convolutions on a part of the lines, as autoencoders of segments have them, and on lines as long as a
//! large classifier's weights.

use super::rig::Case;
use crate::support::{gpu, values, wide};
use fedfunnel::gpu::Tensor;
use fedfunnel::model::{Optimizer, OptimizerKind, ScheduleWriter};
use fedfunnel::ops::conv::{Conv, Part};
use fedfunnel::ops::{Activated, Activation};
use fedfunnel::ops::{Arena, TrainedArena};
use fedfunnel::reference::activation;
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};

/// What lies beside a part, and must still lie there afterwards.
const BESIDE: f32 = 5.0;

/// A side of a layer: what the twin sees of it, and the tensor of which that is a part.
struct Side {
    part: Part,
    content: Vec<f32>,
    tensor: Tensor,
}

impl Side {
    fn new(case: Case, part: Part, content: Vec<f32>) -> Self {
        let tensor = Tensor::zeros(gpu(), "side", case.replicas, case.batch, part.line).unwrap();
        let mut lines = vec![BESIDE; case.lines() * part.line];
        let width = content.len() / case.lines();
        for (line, own) in lines.chunks_mut(part.line).zip(content.chunks(width)) {
            line[part.first..][..width].copy_from_slice(own);
        }
        tensor.write(gpu(), &lines);
        Self { part, content, tensor }
    }

    /// The part as it is now; what lies beside it has to be as it was.
    fn read(&self, case: Case) -> Vec<f32> {
        let width = self.content.len() / case.lines();
        let lines = self.tensor.read(gpu()).unwrap();
        let mut own = Vec::new();
        for line in lines.chunks(self.part.line) {
            let (before, rest) = line.split_at(self.part.first);
            let (part, after) = rest.split_at(width);
            let untouched = before.iter().chain(after).all(|value| *value == BESIDE);
            assert!(untouched, "{case:?}: values beside {:?} were written", self.part);
            own.extend_from_slice(part);
        }
        own
    }
}

/// What came of a forward pass, an input gradient and a step of SGD: y, dx, dw, db, as the device has them
/// and as the twin does.
type Outcome = [(&'static str, Vec<f32>, Vec<f64>); 4];

fn outcome(case: Case, [before, after]: [usize; 2]) -> Outcome {
    let part = |width: usize, lead: usize| Part { first: lead, line: lead + width + after };
    let layer = Conv {
        large: part(case.shape.input_width(), before),
        small: part(case.shape.output_width(), 2 * before),
        ..case.layer()
    };
    let (from, to) = if layer.transposed { (layer.small, layer.large) } else { (layer.large, layer.small) };
    let side = |part, width: usize, seed| Side::new(case, part, values(case.lines() * width, seed));
    let (input, output) = (side(from, layer.inputs(), 3), side(to, layer.outputs(), 4));
    let (into, gradient) = (side(from, layer.inputs(), 5), side(to, layer.outputs(), 6));

    let own = case.shape.weights() + layer.output_channels();
    let stride = (case.lead + own).next_multiple_of(4);
    let mut parameters = vec![0.0; case.replicas * stride];
    let start = values(case.replicas * own, 7);
    for (replica, own) in start.chunks(own).enumerate() {
        parameters[replica * stride + case.lead..][..own.len()].copy_from_slice(own);
    }
    let moments = || gpu().zeros("moments", parameters.len()).unwrap();
    let arena = TrainedArena {
        parameters: Arena { buffer: gpu().upload("parameters", &parameters).unwrap(), stride },
        first_moments: moments(),
        second_moments: None,
    };
    let arenas = [arena.parameters.clone()];
    let sgd = Optimizer { kind: OptimizerKind::Sgd, lr: 1.0, momentum: 0.0, ..Default::default() };
    let mut writer = ScheduleWriter::new(gpu(), sgd, case.replicas, 1).unwrap();
    writer.write(gpu(), 1, |_, _| case.batch);
    let before = Activation::Tanh;
    let mut all = layer.forward(gpu(), &arenas, &input.tensor, &output.tensor).unwrap();
    let gate = Activated { values: &input.tensor, activation: before };
    all.extend(layer.backward_input(gpu(), &arenas, &gradient.tensor, gate, &into.tensor).unwrap());
    all.extend(
        layer
            .update(gpu(), std::slice::from_ref(&arena), writer.rule(), &input.tensor, &gradient.tensor)
            .unwrap(),
    );
    gpu().run(&all).unwrap();

    let (mut weights, mut biases, mut dw, mut db) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let moved: Vec<f32> = gpu().read(&arena.first_moments).unwrap();
    for (replica, own) in start.chunks(own).enumerate() {
        weights.extend(wide(&own[..case.shape.weights()]));
        biases.extend(wide(&own[case.shape.weights()..]));
        let formed = &moved[replica * stride + case.lead..][..own.len()];
        dw.extend_from_slice(&formed[..case.shape.weights()]);
        db.extend_from_slice(&formed[case.shape.weights()..]);
    }
    let (x, dy) = (wide(&input.content), wide(&gradient.content));
    let dx = activation::backward(&case.backward_input(&dy, &weights), &x, before);
    let (expected_dw, expected_db) = case.backward_weight(&dy, &x);
    [
        ("y", output.read(case), case.forward(&x, &weights, &biases)),
        ("dx", into.read(case), dx),
        ("dw", dw, expected_dw),
        ("db", db, expected_db),
    ]
}

#[test]
fn a_layer_keeps_to_its_part_of_the_lines() {
    let uneven = Case::new([3, 2, 3, 4], [7, 9], [[3, 2, 1, 0], [4, 3, 1, 2]]).lead(3);
    // Their shapes are ones that a faster kernel takes where they are all there is.
    let fast = Case::same([1, 2, 3, 5], [6, 8]);
    let valid = Case::valid([1, 2, 3, 5], [6, 9]);
    for case in [uneven, uneven.transposed(), fast, fast.transposed(), valid, valid.transposed()] {
        let case = case.activation(Activation::Sigmoid);
        for beside in [[0, 0], [3, 5]] {
            for (what, actual, expected) in outcome(case, beside) {
                let what = format!("{what} of {case:?}, {beside:?}");
                assert_close(&what, &actual, &expected, Tolerance::Balanced);
                let mut wrong = expected.clone();
                wrong.rotate_left(1);
                // A single channel has no other to be mistaken for.
                if wrong.iter().any(|value| *value != wrong[0]) {
                    assert!(compare(&what, &actual, &wrong, Tolerance::Balanced).is_err(), "{what}");
                }
            }
        }
    }
}

/// More pixels than a dispatch has lanes, rows longer than a lane may add up, and a plane of one bias: a
/// classifier of 550,570 weights as one line.
#[test]
fn a_line_of_all_weights_is_walked_to_its_end() {
    const WIDTH: usize = 550_570;
    let line = Case::new([1, 1, 1, 2], [1, WIDTH], [[1, 1, 0, 0], [3, 2, 0, 1]]);
    for case in [line, line.transposed()] {
        for (what, actual, expected) in outcome(case, [0, 0]) {
            let what = format!("{what} of {case:?}");
            // Permissive for sums of hundreds of thousands of terms.
            let gradient = what.starts_with("dw") || what.starts_with("db");
            let tolerance = if gradient { Tolerance::Permissive } else { Tolerance::Balanced };
            assert_close(&what, &actual, &expected, tolerance);
        }
    }
}
