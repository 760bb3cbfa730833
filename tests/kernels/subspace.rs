//! `shaders/subspace.wgsl`: sums of lines along random directions, and lines from what each direction has.

use crate::support::{gpu, posing_gpu, small_gpu, values, wide};
use fedfunnel::gpu::{Gpu, Tensor, TensorShard};
use fedfunnel::ops::subspace::{Directions, Sums, spread};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::subspace as twin;

/// What lies around what is written.
const GUARD: f32 = 77.0;

const KEY: [u32; 2] = [7, 0x8000_0001];

/// R, values of a line, and directions.
const CASES: [(usize, usize, usize); 9] = [
    (1, 1, 1),
    (3, 5, 2),
    (1, 64, 64),
    (3, 100, 7),
    (3, 1_031, 1),
    (1, 1_031, 1_000),
    (3, 4_099, 33),
    (1, 40_001, 20),
    (3, 40_001, 5_003),
];

/// Lines on the device, with a guard behind each shard.
fn guarded(gpu: &Gpu, replicas: usize, width: usize) -> Tensor {
    let mut tensor = Tensor::zeros(gpu, "lines", replicas, 1, width).unwrap();
    for TensorShard { buffer, range } in &mut tensor.shards {
        let bytes = 4 * (replicas * range.len + 4) as u64;
        // A shard that fills a binding has no room for one.
        if bytes <= gpu.max_binding_bytes() {
            *buffer = gpu.upload("lines", &vec![GUARD; bytes as usize / 4]).unwrap();
        }
    }
    tensor
}

fn assert_guards(what: &str, gpu: &Gpu, tensor: &Tensor) {
    for TensorShard { buffer, range } in &tensor.shards {
        let all: Vec<f32> = gpu.read(buffer).unwrap();
        let behind = &all[tensor.replicas * range.len..];
        assert!(behind.iter().all(|&x| x == GUARD), "{what}: memory behind the lines was written");
    }
}

fn summed(gpu: &Gpu, replicas: usize, lines: &[f32], directions: Directions) -> Vec<f32> {
    let count = replicas * directions.floats;
    let source = Tensor::zeros(gpu, "lines", replicas, 1, lines.len() / replicas).unwrap();
    source.write(gpu, lines);
    let mut sums = Sums::new(gpu, &source, directions).unwrap();
    if directions.fit(gpu, replicas + 1, lines.len() / replicas) {
        sums.sums = gpu.upload("sums", &vec![GUARD; count + directions.floats]).unwrap();
    }
    let plan = sums.plan(gpu, &source).unwrap();
    // A plan can be run any number of times.
    gpu.run(&plan).unwrap();
    gpu.run(&plan).unwrap();
    let mut all: Vec<f32> = gpu.read(&sums.sums).unwrap();
    assert!(all.split_off(count).iter().all(|&x| x == GUARD), "memory behind the sums was written");
    all
}

#[test]
fn sums_along_directions_agree_with_their_twin() {
    for (replicas, width, floats) in CASES {
        let lines = values(replicas * width, 1);
        for gpu in [gpu(), posing_gpu(), small_gpu()] {
            let directions = Directions { key: KEY, floats };
            let actual = summed(gpu, replicas, &lines, directions);
            let other = summed(gpu, replicas, &lines, Directions { key: [6, KEY[1]], floats });
            for (replica, line) in lines.chunks_exact(width).enumerate() {
                let what = format!("line {replica} of {replicas}, {floats} directions of {width} values");
                let own = |all: &[f32]| all[replica * floats..][..floats].to_vec();
                let expected = twin::sums(&wide(line), floats, KEY);
                assert_close(&what, &own(&actual), &expected, Tolerance::Balanced);
                // The negative controls: another value, and other directions.
                let mut line = wide(line);
                line[width / 2] += 0.1;
                let wrong = twin::sums(&line, floats, KEY);
                assert!(compare(&what, &own(&actual), &wrong, Tolerance::Balanced).is_err(), "{what}");
                let same = compare(&what, &own(&other), &expected, Tolerance::Permissive);
                assert!(same.is_err() || width < 16, "{what}: other directions pass");
            }
        }
    }
}

#[test]
fn spread_values_are_those_of_their_twin_to_the_bit() {
    for (replicas, width, floats) in CASES {
        let mut shares = values(replicas * floats, 2);
        // Nothing, of either sign, what is almost nothing, and what is too large.
        let hard = [0.0, -0.0, f32::from_bits(1), -f32::MIN_POSITIVE / 2.0, f32::MAX, f32::NEG_INFINITY];
        shares.iter_mut().skip(3).step_by(5).zip(hard).for_each(|(share, hard)| *share = hard);
        for gpu in [gpu(), posing_gpu(), small_gpu()] {
            let tensor = guarded(gpu, replicas, width);
            let buffer = gpu.upload("shares", &shares).unwrap();
            gpu.run(&spread(gpu, &buffer, Directions { key: KEY, floats }, &tensor).unwrap()).unwrap();
            let lines = tensor.read(gpu).unwrap();
            for (replica, line) in lines.chunks_exact(width).enumerate() {
                let what = format!("line {replica} of {replicas}, {floats} directions of {width} values");
                let bits = |values: &[f64]| values.iter().map(|&x| (x as f32).to_bits()).collect::<Vec<_>>();
                let mut own = wide(&shares[replica * floats..][..floats]);
                let actual: Vec<_> = line.iter().map(|x| x.to_bits()).collect();
                assert!(actual == bits(&twin::spread(&own, width, KEY)), "{what}");
                // The negative controls: another share, and other directions.
                own[floats / 2] += 0.1;
                assert!(actual != bits(&twin::spread(&own, width, KEY)), "{what}");
                let own = wide(&shares[replica * floats..][..floats]);
                let other = bits(&twin::spread(&own, width, [6, KEY[1]]));
                assert!(actual != other || width < 16, "{what}: other directions pass");
            }
            assert_guards(&format!("{replicas} lines of {width}"), gpu, &tensor);
        }
    }
}

#[test]
fn what_is_no_number_is_spread_with_its_sign() {
    let (width, shares) = (40, [f32::NAN, f32::from_bits(0xffc0_0123), 1.0]);
    let tensor = guarded(gpu(), 1, width);
    let buffer = gpu().upload("shares", &shares).unwrap();
    gpu().run(&spread(gpu(), &buffer, Directions { key: KEY, floats: 3 }, &tensor).unwrap()).unwrap();
    let lines = tensor.read(gpu()).unwrap();
    for (place, (direction, sign)) in twin::directions(width, 3, KEY).into_iter().enumerate() {
        let due = if sign < 0.0 { -shares[direction] } else { shares[direction] };
        assert_eq!(lines[place].to_bits(), due.to_bits(), "{place}");
    }
}

#[test]
fn lines_are_cut_anywhere_and_neither_cuts_nor_other_lines_change_a_bit_of_their_sums() {
    let (width, directions) = (40_001, Directions { key: KEY, floats: 20 });
    let tensor = Tensor::zeros(small_gpu(), "lines", 3, 1, width).unwrap();
    assert_eq!(tensor.shards.len(), 8);
    assert!(tensor.shards.iter().skip(1).all(|shard| shard.range.start % 20 != 0));
    let lines = values(3 * width, 5);
    let bits = |gpu, replicas, lines: &[f32]| {
        summed(gpu, replicas, lines, directions).into_iter().map(f32::to_bits).collect::<Vec<_>>()
    };
    let whole = bits(gpu(), 3, &lines);
    assert_eq!(bits(small_gpu(), 3, &lines), whole);
    for (line, sums) in lines.chunks_exact(width).zip(whole.chunks_exact(20)) {
        assert_eq!(bits(gpu(), 1, line), sums);
    }
}

#[test]
fn none_and_more_directions_than_values_cannot_be_drawn() {
    let tensor = Tensor::zeros(gpu(), "lines", 2, 1, 9).unwrap();
    let shares = gpu().zeros("shares", 20).unwrap();
    for floats in [0, 10] {
        let directions = Directions { key: KEY, floats };
        let first = Sums::new(gpu(), &tensor, directions).unwrap_err();
        let second = spread(gpu(), &shares, directions, &tensor).unwrap_err();
        for error in [first, second] {
            assert!(error.to_string().contains(&format!("{floats} directions")), "{error}");
        }
    }
    assert!(!Directions { key: KEY, floats: 5_462 }.fit(small_gpu(), 3, 6_000));
    assert!(Directions { key: KEY, floats: 5_461 }.fit(small_gpu(), 3, 6_000));
}
