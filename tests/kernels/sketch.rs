//! Tables of lines and what they say of the values, to the bit.

use crate::support::{every_class, gpu, small_gpu, values, wide};
use fedfunnel::gpu::{Gpu, Tensor};
use fedfunnel::ops::sketch::{Hashing, Members, read_sums, tell};
use fedfunnel::reference::{random, sketch as twin};

const KEY: [u32; 2] = [7, 0x8000_0001];

/// What stands behind what is written.
const GUARD: u32 = 0x4141_4141;

fn hashing(rows: usize, columns: usize) -> Hashing {
    Hashing { key: KEY, rows, columns }
}

/// The sums of lines in the cells of their tables, line by line.
fn sums(gpu: &Gpu, hashing: Hashing, lines: &[Vec<f32>]) -> Vec<Vec<f64>> {
    let tensor = Tensor::zeros(gpu, "lines", lines.len(), 1, lines[0].len()).unwrap();
    tensor.write(gpu, &lines.concat());
    let members = Members::new(gpu, hashing, &tensor).unwrap();
    let count = lines.len() * hashing.cells();
    let guarded = gpu.upload("sums", &vec![GUARD; 2 * count + 8]).unwrap();
    let plan = members.sum(gpu, &tensor, &guarded).unwrap();
    // A plan can be run any number of times.
    gpu.run(&plan).unwrap();
    gpu.run(&plan).unwrap();
    let words: Vec<u32> = gpu.read(&guarded).unwrap();
    assert_eq!(words[2 * count..], [GUARD; 8], "behind the sums");
    let all = read_sums(gpu, &guarded, count).unwrap();
    all.chunks(hashing.cells()).map(<[f64]>::to_vec).collect()
}

#[track_caller]
fn assert_sums(what: &str, gpu: &Gpu, hashing: Hashing, lines: &[Vec<f32>]) {
    let shape = [hashing.rows, hashing.columns];
    for (number, (line, actual)) in lines.iter().zip(sums(gpu, hashing, lines)).enumerate() {
        let expected = twin::table(&wide(line), shape, KEY);
        for (cell, (actual, expected)) in actual.iter().zip(&expected).enumerate() {
            let is_same = actual.to_bits() == expected.to_bits() || actual.is_nan() && expected.is_nan();
            let width = line.len();
            assert!(
                is_same,
                "{what}: {shape:?} of {width}, line {number}, cell {cell}: {actual:e}, {expected:e}"
            );
        }
    }
}

fn lines(count: usize, width: usize) -> Vec<Vec<f32>> {
    (0..count as u32).map(|line| values(width, line + 1)).collect()
}

#[test]
fn sums_are_those_of_the_twin_to_the_bit() {
    for replicas in [1, 3] {
        for (width, rows, columns) in
            [(1, 1, 1), (7, 3, 2), (255, 5, 51), (1_031, 4, 100), (4_099, 5, 7), (4_099, 1, 4_099)]
        {
            assert_sums("one shard", gpu(), hashing(rows, columns), &lines(replicas, width));
        }
    }
    for gpu in every_class() {
        assert_sums("every class", gpu, hashing(5, 33), &lines(3, 2_000));
    }
    // The negative control: values in another order come to other bits.
    let line = values(4_099, 1);
    let backwards: Vec<_> = line.iter().rev().copied().collect();
    assert_ne!(sums(gpu(), hashing(1, 1), &[line]), sums(gpu(), hashing(1, 1), &[backwards]));
}

#[test]
fn lines_that_are_cut_go_on_where_the_shard_before_left_off() {
    for (replicas, width, shards) in [(1, 40_001, 3), (3, 40_001, 8)] {
        let tensor = Tensor::zeros(small_gpu(), "lines", replicas, 1, width).unwrap();
        assert_eq!(tensor.shards.len(), shards);
        assert_sums("many shards", small_gpu(), hashing(5, 300), &lines(replicas, width));
    }
}

/// Floats of all sizes, of which the smallest have no leading bit.
fn of_all_sizes(width: usize, tensor: u32) -> Vec<f32> {
    let bits = (0..width as u32).map(|place| f32::from_bits(random::bits(place, 0, tensor, 3)));
    bits.map(|value| if value.is_finite() { value } else { 0.0 }).collect()
}

#[test]
fn doubles_are_added_to_the_bit_whatever_they_are() {
    let two = |power: i32| 2f32.powi(power);
    let near = |base: &[f32], turn: u32| {
        let pick = |place: u32| base[random::bits(place, 1, turn, 3) as usize % base.len()];
        (0..3_000).map(pick).collect::<Vec<f32>>()
    };
    let all = [
        of_all_sizes(3_000, 1),
        of_all_sizes(3_000, 2).into_iter().map(|value| value % 1.0).collect(),
        // Sums of 53 bits and one more, which are rounded to even ones.
        near(&[two(53), -two(53), 1.0, 3.0, -1.0, 0.5, -1.5, two(54)], 1),
        near(&[two(52), -two(52), 1.5, two(-1), 1.0 + two(-23), -two(29) - 32.0, two(30)], 2),
        // What cancels to nothing or nearly so, and zeros of both signs.
        near(&[1.0, -1.0, 1.0 - two(-24), two(-24) - 1.0, 0.0, -0.0], 3),
        near(&[f32::from_bits(1), -f32::from_bits(1), f32::MIN_POSITIVE, -f32::from_bits(0x7f_ffff)], 4),
        near(&[f32::MAX, -f32::MAX, f32::MIN_POSITIVE, f32::from_bits(3), two(100)], 5),
    ];
    for columns in [1, 2, 40, 700] {
        assert_sums("hard numbers", gpu(), hashing(3, columns), &all);
    }
    // The negative control: floats do not come to these sums.
    let (mut float, mut double) = (0f32, 0f64);
    all[3].iter().for_each(|&value| (float, double) = (float + value, double + f64::from(value)));
    assert_ne!(f64::from(float).to_bits(), double.to_bits());
}

#[test]
fn what_is_no_finite_number_stays_so() {
    let with = |places: &[(usize, f32)]| {
        let mut line = values(40_001, 5);
        places.iter().for_each(|&(place, value)| line[place] = value);
        line
    };
    let all = [
        with(&[(3, f32::INFINITY)]),
        with(&[(39_000, f32::NEG_INFINITY)]),
        with(&[(5, f32::INFINITY), (39_999, f32::NEG_INFINITY)]),
        with(&[(77, f32::NAN)]),
    ];
    for columns in [1, 50] {
        assert_sums("no numbers", gpu(), hashing(2, columns), &all);
        assert_sums("no numbers of many shards", small_gpu(), hashing(2, columns), &all);
    }
}

/// What tables say of a number of values, line by line.
fn told(gpu: &Gpu, hashing: Hashing, tables: &[Vec<f32>], width: usize) -> Vec<Vec<f32>> {
    let ranges = Tensor::zeros(gpu, "lines", tables.len(), 1, width).unwrap().ranges();
    let mut estimates = Tensor::zeros_cut(gpu, "estimates", tables.len(), 1, &ranges).unwrap();
    for shard in &mut estimates.shards {
        shard.buffer = gpu.upload("estimates", &vec![GUARD; tables.len() * shard.range.len + 8]).unwrap();
    }
    let uploaded = gpu.upload("tables", &tables.concat()).unwrap();
    gpu.run(&tell(gpu, hashing, &uploaded, &estimates).unwrap()).unwrap();
    for shard in &estimates.shards {
        let words: Vec<u32> = gpu.read(&shard.buffer).unwrap();
        assert_eq!(words[tables.len() * shard.range.len..], [GUARD; 8], "behind the estimates");
    }
    estimates.read(gpu).unwrap().chunks(width).map(<[f32]>::to_vec).collect()
}

#[track_caller]
fn assert_told(gpu: &Gpu, hashing: Hashing, tables: &[Vec<f32>], width: usize) {
    let shape = [hashing.rows, hashing.columns];
    for (number, (table, actual)) in tables.iter().zip(told(gpu, hashing, tables, width)).enumerate() {
        let expected: Vec<_> = twin::estimates(&wide(table), shape, KEY, width);
        // Zeros of both signs are one, as they are for the host.
        let expected: Vec<_> = expected.into_iter().map(|value| value as f32).collect();
        assert!(actual == expected, "{shape:?} for {width}, line {number}");
    }
}

#[test]
fn what_tables_say_is_what_the_twin_takes_from_them() {
    for replicas in [1, 3] {
        for (width, rows, columns) in
            [(1, 1, 1), (7, 3, 2), (255, 5, 51), (1_031, 7, 100), (4_099, 5, 7), (300, 31, 9)]
        {
            assert_told(gpu(), hashing(rows, columns), &lines(replicas, rows * columns), width);
        }
    }
    for gpu in every_class() {
        assert_told(gpu, hashing(5, 33), &lines(3, 165), 2_000);
    }
    for rows in [1, 3, 5, 9] {
        // The smallest floats, ties and zeros.
        let sizes = of_all_sizes(rows * 40, 9).into_iter().map(|value| value % 1e-37).collect();
        let ties = (0..rows * 40).map(|place| [0.5, -0.5, 0.0, -0.0][place % 4]).collect();
        assert_told(gpu(), hashing(rows, 40), &[of_all_sizes(rows * 40, 8), sizes, ties], 700);
        // Lines that are cut.
        assert_told(small_gpu(), hashing(rows, 40), &lines(3, rows * 40), 40_001);
    }
    // The negative control: of other hashes, something else.
    let table = values(165, 1);
    let other = Hashing { key: [8, 9], ..hashing(5, 33) };
    assert_ne!(
        told(gpu(), other, std::slice::from_ref(&table), 99),
        told(gpu(), hashing(5, 33), &[table], 99)
    );
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let tensor = Tensor::zeros(gpu(), "lines", 2, 1, 50).unwrap();
    let tables = gpu().zeros("tables", 2 * 40).unwrap();
    assert!(tell(gpu(), hashing(5, 8), &tables, &tensor).is_ok());
    for (rows, columns) in [(4, 8), (5, 9)] {
        let error = tell(gpu(), hashing(rows, columns), &tables, &tensor).unwrap_err();
        assert!(error.to_string().contains("odd number of rows"), "{error}");
    }
    let members = Members::new(gpu(), hashing(5, 8), &tensor).unwrap();
    let error = members.sum(gpu(), &tensor, &tables).unwrap_err();
    assert!(error.to_string().contains("no sums of 2 tables"), "{error}");
    assert!(members.sum(gpu(), &tensor, &members.sums(gpu(), 2).unwrap()).is_ok());
}
