//! The values of the largest magnitude of lines on the device, against sorting all of them.

use crate::support::{gpu, posing_gpu, small_gpu, values};
use fedfunnel::gpu::{Gpu, Tensor};
use fedfunnel::ops::largest::Selection;
use fedfunnel::reference::largest as twin;

/// What the device chooses of lines: places and bits of values, line by line.
fn chosen(gpu: &Gpu, lines: &[Vec<f32>], wanted: usize) -> Vec<Vec<(usize, u32)>> {
    let width = lines[0].len();
    let source = Tensor::zeros(gpu, "lines", lines.len(), 1, width).unwrap();
    source.write(gpu, &lines.concat());
    let selection = Selection::new(gpu, &source, wanted).unwrap();
    let plan = selection.plan(gpu, &source).unwrap();
    // A plan can be run any number of times.
    gpu.run(&plan).unwrap();
    gpu.run(&plan).unwrap();
    let places: Vec<u32> = gpu.read(&selection.places).unwrap();
    let values = selection.values.read(gpu).unwrap();
    let pairs: Vec<_> =
        places.iter().zip(values).map(|(&place, value)| (place as usize, value.to_bits())).collect();
    pairs.chunks(wanted).map(<[_]>::to_vec).collect()
}

fn expected(line: &[f32], wanted: usize) -> Vec<(usize, u32)> {
    twin::largest(line, wanted).into_iter().map(|place| (place, line[place].to_bits())).collect()
}

#[track_caller]
fn assert_chosen(what: &str, gpu: &Gpu, lines: &[Vec<f32>], wanted: usize) {
    let actual = chosen(gpu, lines, wanted);
    for (number, (line, actual)) in lines.iter().zip(&actual).enumerate() {
        assert_eq!(*actual, expected(line, wanted), "{what}: {wanted} of {}, line {number}", line.len());
    }
}

fn lines(count: usize, width: usize) -> Vec<Vec<f32>> {
    (0..count as u32).map(|line| values(width, line + 1)).collect()
}

#[test]
fn what_is_chosen_agrees_with_its_twin() {
    for replicas in [1, 3] {
        for width in [1usize, 7, 255, 257, 4_099] {
            for wanted in [1, width.div_ceil(100), width.div_ceil(3), width] {
                assert_chosen("one shard", gpu(), &lines(replicas, width), wanted);
            }
        }
    }
    assert_chosen("as on a GPU", posing_gpu(), &lines(3, 9_001), 90);
    // The negative control: one more is chosen otherwise.
    let line = values(257, 1);
    assert_ne!(chosen(gpu(), std::slice::from_ref(&line), 5)[0], expected(&line, 6)[..5]);
}

#[test]
fn lines_that_are_cut_are_chosen_from_as_a_whole() {
    for (replicas, width, shards) in [(1, 40_001, 3), (3, 40_001, 8)] {
        let tensor = Tensor::zeros(small_gpu(), "lines", replicas, 1, width).unwrap();
        assert_eq!(tensor.shards.len(), shards);
        for wanted in [1, 401, 5_003] {
            assert_chosen("many shards", small_gpu(), &lines(replicas, width), wanted);
        }
    }
}

#[test]
fn of_equal_magnitudes_the_first_are_chosen() {
    let tied = |width: usize| (0..width).map(|place| [0.5, -0.5, 0.25, -1.0][place % 4]).collect::<Vec<_>>();
    for wanted in [1, 200, 251, 252, 500, 1_000] {
        assert_chosen("ties", gpu(), &[tied(1_003), vec![0.0; 1_003], vec![-2.0; 1_003]], wanted);
    }
    assert_chosen("ties of many shards", small_gpu(), &[tied(40_001), vec![1.0; 40_001]], 7_003);
    // The negative control: the last of equals are others.
    let line = vec![1.0f32; 600];
    let last: Vec<_> = (590..600).map(|place| (place, 1f32.to_bits())).collect();
    assert_ne!(chosen(gpu(), &[line], 10)[0], last);
}

#[test]
fn every_bit_of_what_is_no_usual_number_counts() {
    let mut line = values(700, 5);
    for (place, value) in [
        (3, f32::NAN),
        (90, -f32::NAN),
        (91, f32::from_bits(0xffff_ffff)),
        (300, f32::INFINITY),
        (699, f32::NEG_INFINITY),
        (400, f32::MAX),
        (401, f32::MIN_POSITIVE),
    ] {
        line[place] = value;
    }
    let mut tiny = vec![0.0; 700];
    (0..9).for_each(|place| tiny[70 * place + 9] = f32::from_bits(9 - place as u32));
    tiny[5] = -0.0;
    for wanted in [1, 2, 3, 5, 6, 8, 10, 690] {
        assert_chosen("hard numbers", gpu(), &[line.clone(), tiny.clone()], wanted);
    }
}

#[test]
fn none_and_more_than_there_are_cannot_be_chosen() {
    let tensor = Tensor::zeros(gpu(), "lines", 2, 1, 9).unwrap();
    for wanted in [0, 10] {
        let error = Selection::new(gpu(), &tensor, wanted).unwrap_err();
        assert!(error.to_string().contains(&format!("{wanted} values of 9")), "{error}");
    }
}
