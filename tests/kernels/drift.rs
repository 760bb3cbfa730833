//! `shaders/drift.wgsl`: what is added to steps, against its twin.

use crate::support::{gpu, small_gpu, values, wide};
use fedfunnel::gpu::Gpu;
use fedfunnel::model::{Optimizer, ScheduleWriter};
use fedfunnel::ops::Arena;
use fedfunnel::ops::drift::{Added, Starts, apply};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::drift as twin;

const STEPS: usize = 3;

/// R, and how many weights each has.
const CASES: [[usize; 2]; 5] = [[1, 4], [1, 260], [3, 68], [3, 1004], [5, 12]];

/// How far replica `r` goes back in every step.
fn pull(replica: usize) -> f32 {
    0.3 / (1 + replica) as f32
}

/// The second replica rests in the second step.
fn rests(replica: usize, step: usize) -> bool {
    replica == 1 && step == 1
}

/// The weights after all steps, on the device and by the twin, whose pulls are `factor` times as large.
fn run(gpu: &Gpu, [replicas, count]: [usize; 2], begin_alike: bool, factor: f64) -> (Vec<f32>, Vec<f64>) {
    let begun = values(if begin_alike { count } else { replicas * count }, 1);
    let (weights, corrections) = (values(replicas * count, 2), values(replicas * count, 3));
    let pulls: Vec<f32> = (0..replicas).map(pull).collect();
    let upload = |values: &[f32]| gpu.upload("values", values).unwrap();
    let arena = Arena { buffer: upload(&weights), stride: count };
    let (starts, pulls_there, corrections_there) = (upload(&begun), upload(&pulls), upload(&corrections));
    let mut writer = ScheduleWriter::new(gpu, Optimizer::default(), replicas, STEPS).unwrap();
    writer.write(gpu, STEPS, |replica, step| if rests(replica, step) { 0 } else { 7 });
    let added = Added {
        replicas,
        pulls: &pulls_there,
        starts: if begin_alike { Starts::Shared(&starts) } else { Starts::Each(&starts) },
        corrections: &corrections_there,
    };
    let plan = [apply(gpu, &arena, &writer.schedule, added).unwrap()];
    gpu.run_steps(&plan, 0..STEPS as u32, &mut |_| ()).unwrap();

    let mut expected = wide(&weights);
    let pulls: Vec<f64> = pulls.iter().map(|&pull| factor * f64::from(pull)).collect();
    for step in 0..STEPS {
        let rests: Vec<bool> = (0..replicas).map(|replica| rests(replica, step)).collect();
        twin::apply(&mut expected, &wide(&begun), &wide(&corrections), &pulls, &rests);
    }
    (gpu.read(&arena.buffer).unwrap(), expected)
}

#[test]
fn what_is_added_agrees_with_its_twin() {
    for case in CASES {
        for begin_alike in [true, false] {
            let (actual, expected) = run(gpu(), case, begin_alike, 1.0);
            assert_close("weights", &actual, &expected, Tolerance::Strict);
            let (actual, expected) = run(gpu(), case, begin_alike, 0.999);
            assert!(compare("weights", &actual, &expected, Tolerance::Strict).is_err(), "{case:?}");
        }
    }
}

/// More weights than lanes share a dispatch, so that each lane takes several.
#[test]
fn more_weights_than_lanes_agree_too() {
    let (actual, expected) = run(gpu(), [2, 4 * 300_001], true, 1.0);
    assert_close("weights", &actual, &expected, Tolerance::Strict);
}

/// As many as fit the smallest binding.
#[test]
fn weights_that_fill_a_binding_agree_too() {
    let (actual, expected) = run(small_gpu(), [3, 5_460], false, 1.0);
    assert_close("weights", &actual, &expected, Tolerance::Strict);
}

#[test]
fn a_replica_that_rests_keeps_every_bit() {
    let (replicas, count) = (3, 36);
    let weights = values(replicas * count, 2);
    let arena = Arena { buffer: gpu().upload("weights", &weights).unwrap(), stride: count };
    let ones = gpu().upload("ones", &vec![1f32; replicas * count]).unwrap();
    let mut writer = ScheduleWriter::new(gpu(), Optimizer::default(), replicas, 1).unwrap();
    writer.write(gpu(), 1, |replica, _| [4, 0, 4][replica]);
    let added = Added { replicas, pulls: &ones, starts: Starts::Each(&ones), corrections: &ones };
    gpu().run(&[apply(gpu(), &arena, &writer.schedule, added).unwrap()]).unwrap();
    let after: Vec<f32> = gpu().read(&arena.buffer).unwrap();
    assert_eq!(after[count..2 * count], weights[count..2 * count]);
    assert!(after[..count].iter().chain(&after[2 * count..]).all(|&value| value.abs() < 1e-6));
}

/// Nothing that is added changes no bit.
#[test]
fn no_pull_and_no_correction_change_no_bit() {
    let (replicas, count) = (3, 36);
    let weights = values(replicas * count, 2);
    let arena = Arena { buffer: gpu().upload("weights", &weights).unwrap(), stride: count };
    let zeros = gpu().zeros("zeros", replicas * count).unwrap();
    let starts = gpu().upload("starts", &values(count, 1)).unwrap();
    let mut writer = ScheduleWriter::new(gpu(), Optimizer::default(), replicas, 1).unwrap();
    writer.write(gpu(), 1, |_, _| 4);
    let added = Added { replicas, pulls: &zeros, starts: Starts::Shared(&starts), corrections: &zeros };
    gpu().run(&[apply(gpu(), &arena, &writer.schedule, added).unwrap()]).unwrap();
    assert_eq!(gpu().read::<f32>(&arena.buffer).unwrap(), weights);
}
