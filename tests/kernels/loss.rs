//! Losses: gradients, tallies over several steps, empty places, and evaluation without gradients.

use crate::support::{assert_tensor, gpu, posing_gpu, small_gpu, values, wide};
use fedfunnel::gpu::{Buffer, Gpu, Tensor};
use fedfunnel::model::{Optimizer, ScheduleWriter};
use fedfunnel::ops::gather::NOTHING;
use fedfunnel::ops::loss::{self, Targets};
use fedfunnel::ops::{Activated, Activation, Schedule};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::{activation, loss as twin, random};

const STEPS: usize = 2;
/// What a kernel without a gradient must leave alone.
const UNTOUCHED: f32 = 9.0;

/// `[R, B]` labels; about one place in four is empty, and the last replica's batch is all empty.
fn labels(replicas: usize, batch: usize, classes: usize) -> Vec<Option<usize>> {
    let place = |i: usize| match random::bits(i as u32, 0, 0, 5) % 4 {
        0 => None,
        _ if replicas > 1 && i / batch == replicas - 1 => None,
        _ => Some((random::bits(i as u32, 1, 0, 5) % classes as u32) as usize),
    };
    (0..replicas * batch).map(place).collect()
}

fn upload_labels(gpu: &Gpu, labels: &[Option<usize>]) -> Buffer {
    let numbers: Vec<u32> = labels.iter().map(|l| l.map_or(NOTHING, |l| l as u32)).collect();
    gpu.upload("labels", &numbers).unwrap()
}

/// A schedule whose steps have as many samples as there are labels.
fn schedule(gpu: &Gpu, labels: &[Option<usize>], replicas: usize) -> Schedule {
    let batch = labels.len() / replicas;
    let mut writer = ScheduleWriter::new(gpu, Optimizer::default(), replicas, STEPS).unwrap();
    writer.write(gpu, STEPS, |r, _| labels[r * batch..][..batch].iter().flatten().count());
    writer.schedule
}

#[test]
fn cross_entropy_agrees_with_its_twin() {
    for [replicas, batch, classes] in [[1, 5, 10], [3, 19, 10], [3, 9, 3], [1, 11, 257], [1, 4, 2]] {
        for scale in [1.0, 30.0] {
            for gpu in [gpu(), posing_gpu()] {
                cross_entropy(gpu, [replicas, batch, classes], scale);
            }
        }
    }
}

fn cross_entropy(gpu: &Gpu, [replicas, batch, classes]: [usize; 3], scale: f32) {
    let what = format!("[{replicas}, {batch}, {classes}] times {scale}");
    let labels = labels(replicas, batch, classes);
    assert!(labels.contains(&None) || batch < 5, "{what}");
    let lines = replicas * batch;
    let mut logits: Vec<f32> = values(lines * classes, 1).iter().map(|x| x * scale).collect();
    // Equal logits: the first counts as the answer.
    logits[..classes].fill(0.5);
    let outputs = Tensor::zeros(gpu, "outputs", replicas, batch, classes).unwrap();
    outputs.write(gpu, &logits);
    let gradients = Tensor::zeros(gpu, "gradients", replicas, batch, classes).unwrap();
    gradients.write(gpu, &vec![UNTOUCHED; lines * classes]);
    let tallies = gpu.zeros("tallies", lines * 2).unwrap();
    let spare = gpu.upload("spare", &vec![UNTOUCHED; lines * classes]).unwrap();
    let batch_labels = upload_labels(gpu, &labels);
    let schedule = schedule(gpu, &labels, replicas);
    let step = |gradients| {
        loss::softmax_cross_entropy(gpu, &outputs, &batch_labels, &schedule, gradients, &tallies, &spare)
            .unwrap()
    };
    let expected = twin::softmax_cross_entropy(&wide(&logits), &labels, replicas, batch, classes);
    let check_tallies = |times: u32| {
        let sums: Vec<f32> = gpu.read(&tallies).unwrap();
        let losses: Vec<f32> = sums.iter().step_by(2).copied().collect();
        let correct: Vec<f32> = sums.iter().skip(1).step_by(2).copied().collect();
        let times_of = |x: f64| f64::from(times) * x;
        let loss: Vec<f64> = expected.loss.iter().map(|&x| times_of(x)).collect();
        assert_close(&what, &losses, &loss, Tolerance::Balanced);
        let correct_wanted: Vec<f32> = expected.correct.iter().map(|&n| (n * times) as f32).collect();
        assert_eq!(correct, correct_wanted, "{what}");
        assert!(expected.correct.contains(&1) || classes > 10, "{what}: nothing is right");
        // A step too many or too few does not pass.
        let wrong: Vec<f64> = loss.iter().map(|x| x + x / f64::from(times)).collect();
        assert!(compare(&what, &losses, &wrong, Tolerance::Permissive).is_err(), "{what}");
    };
    // Evaluation first: it tallies, and writes no gradient anywhere.
    gpu.run(&[step(None)]).unwrap();
    check_tallies(1);
    assert!(gpu.read::<f32>(&spare).unwrap().iter().all(|&x| x == UNTOUCHED), "{what}");
    gpu.run_steps(&[step(Some(&gradients))], 0..STEPS as u32, &mut |_| ()).unwrap();
    check_tallies(1 + STEPS as u32);
    assert_tensor(&what, gpu, &gradients, &expected.dlogits, Tolerance::Balanced);
    let mut wrong = expected.dlogits.clone();
    wrong.rotate_left(1);
    let actual = gradients.read(gpu).unwrap();
    assert!(compare(&what, &actual, &wrong, Tolerance::Permissive).is_err(), "{what}");
}

#[test]
fn huge_logits_do_not_overflow() {
    let outputs = Tensor::zeros(gpu(), "outputs", 1, 1, 3).unwrap();
    outputs.write(gpu(), &[1e4, -1e4, 0.0]);
    let gradients = Tensor::zeros(gpu(), "gradients", 1, 1, 3).unwrap();
    let tallies = gpu().zeros("tallies", 2).unwrap();
    let labels = [Some(1)];
    let (batch_labels, schedule) = (upload_labels(gpu(), &labels), schedule(gpu(), &labels, 1));
    let spare = gpu().zeros("spare", 3).unwrap();
    let gradient = Some(&gradients);
    let dispatch =
        loss::softmax_cross_entropy(gpu(), &outputs, &batch_labels, &schedule, gradient, &tallies, &spare);
    gpu().run(&[dispatch.unwrap()]).unwrap();
    assert_tensor("gradient", gpu(), &gradients, &[1.0, -1.0, 0.0], Tolerance::Strict);
    assert_eq!(gpu().read::<f32>(&tallies).unwrap(), [2e4, 0.0]);
}

fn squared_error(gpu: &Gpu, [replicas, batch, width]: [usize; 3], output: Activation) -> usize {
    let what = format!("[{replicas}, {batch}, {width}], {output:?}");
    let labels = labels(replicas, batch, 7);
    let valid: Vec<bool> = labels.iter().map(Option::is_some).collect();
    let lines = replicas * batch;
    let y: Vec<f32> = values(lines * width, 1).iter().map(|&x| output.apply(f64::from(x)) as f32).collect();
    let target = values(lines * width, 2);
    let tensor = |content: &[f32]| {
        let tensor = Tensor::zeros(gpu, "test", replicas, batch, width).unwrap();
        tensor.write(gpu, content);
        tensor
    };
    let (outputs, targets) = (tensor(&y), tensor(&target));
    let gradients = tensor(&vec![UNTOUCHED; lines * width]);
    let tallies = loss::ErrorTallies::new(gpu, &outputs).unwrap();
    let spare = gpu.upload("spare", &[UNTOUCHED; 8]).unwrap();
    let batch_labels = upload_labels(gpu, &labels);
    let schedule = schedule(gpu, &labels, replicas);
    let steps = |gradients| {
        let outputs = Activated { values: &outputs, activation: output };
        let targets = Targets { values: &targets, labels: &batch_labels, schedule: &schedule };
        loss::mean_squared_error(gpu, outputs, targets, gradients, &tallies, &spare).unwrap()
    };
    let expected = twin::mean_squared_error(&wide(&y), &wide(&target), Some(&valid), replicas, batch, width);
    let check_tallies = |times: usize| {
        let sums: Vec<f32> = tallies.take(gpu).unwrap().iter().map(|&x| x as f32).collect();
        let wanted: Vec<f64> = expected.loss.iter().map(|x| x * (times * width) as f64).collect();
        assert_close(&what, &sums, &wanted, Tolerance::Balanced);
        let mut wrong = wanted;
        wrong.rotate_left(1);
        assert!(compare(&what, &sums, &wrong, Tolerance::Permissive).is_err(), "{what}");
    };
    gpu.run(&steps(None)).unwrap();
    check_tallies(1);
    assert_eq!(gpu.read::<f32>(&spare).unwrap(), [UNTOUCHED; 8], "{what}");
    gpu.run_steps(&steps(Some(&gradients)), 0..STEPS as u32, &mut |_| ()).unwrap();
    // Taking starts over, so the evaluation before is not among these.
    check_tallies(STEPS);
    assert!(tallies.take(gpu).unwrap().iter().all(|&sum| sum == 0.0), "{what}");
    let gradient = activation::backward(&expected.dy, &wide(&y), output);
    assert_tensor(&what, gpu, &gradients, &gradient, Tolerance::Balanced);
    if output != Activation::Linear {
        let actual = gradients.read(gpu).unwrap();
        assert!(compare(&what, &actual, &expected.dy, Tolerance::Permissive).is_err(), "{what}");
    }
    outputs.shards.len()
}

#[test]
fn squared_error_agrees_with_its_twin() {
    for output in Activation::ALL {
        for shape in [[1, 5, 1], [1, 5, 255], [3, 9, 257], [3, 4, 1031]] {
            assert_eq!(squared_error(gpu(), shape, output), 1);
            assert_eq!(squared_error(posing_gpu(), shape, output), 1);
        }
        // Shards of unequal width, whose mean is over the whole width.
        assert!(squared_error(small_gpu(), [3, 9, 1031], output) > 1);
    }
}
