//! Rotations of lines, in any number, of any width, and cut between blocks.

use crate::support::{gpu, small_gpu, values, wide};
use fedfunnel::gpu::Gpu;
use fedfunnel::ops::hadamard::{BLOCK, Lines, Way};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::hadamard as twin;

const WIDTHS: [usize; 9] = [1, 2, 7, 64, 100, 1_031, BLOCK, BLOCK + 1, 3 * BLOCK + 5_000];

fn keys(lines: usize) -> Vec<[u32; 2]> {
    (0..lines as u32).map(|line| [line * 7 + 1, 0x8000_0001 ^ line]).collect()
}

fn rotated(gpu: &Gpu, lines: &[f32], keys: &[[u32; 2]], way: Way) -> Vec<f32> {
    let width = lines.len() / keys.len();
    let own = Lines::new(gpu, keys, width).unwrap();
    own.tensor.write(gpu, lines);
    gpu.run(&own.rotate(gpu, way).unwrap()).unwrap();
    own.tensor.read(gpu).unwrap()
}

#[test]
fn rotations_agree_with_their_twin_both_ways() {
    for (gpu, replicas) in [(gpu(), 1), (gpu(), 3), (small_gpu(), 1)] {
        for width in WIDTHS {
            let what = format!("{replicas} lines of {width}");
            let (lines, keys) = (values(replicas * width, 1), keys(replicas));
            let there = rotated(gpu, &lines, &keys, Way::There);
            let mut expected = wide(&lines);
            let each = expected.chunks_exact_mut(width).zip(&keys);
            each.for_each(|(line, key)| twin::rotate(line, BLOCK, *key));
            assert_close(&what, &there, &expected, Tolerance::Balanced);
            let back = rotated(gpu, &there, &keys, Way::Back);
            let mut expected = wide(&there);
            let each = expected.chunks_exact_mut(width).zip(&keys);
            each.for_each(|(line, key)| twin::rotate_back(line, BLOCK, *key));
            assert_close(&what, &back, &expected, Tolerance::Balanced);
            assert_close(&what, &back, &wide(&lines), Tolerance::Balanced);
            if width > 1 {
                assert!(compare(&what, &there, &wide(&lines), Tolerance::Permissive).is_err(), "{what}");
                // Of another key, something else comes out.
                let other: Vec<_> = keys.iter().map(|[a, b]| [a ^ 1, *b]).collect();
                let other = rotated(gpu, &lines, &other, Way::There);
                let same = compare(&what, &other, &wide(&there), Tolerance::Permissive);
                assert!(same.is_err() || width < 16, "{what}");
            }
        }
    }
}

#[test]
fn rotations_keep_norms() {
    for width in WIDTHS {
        let lines = values(width, 2);
        let there = rotated(gpu(), &lines, &keys(1), Way::There);
        let norm = |x: &[f32]| x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
        let (before, after) = (norm(&lines), norm(&there));
        assert!((before - after).abs() < 1e-5 * before, "{width}: {before} {after}");
    }
}

#[test]
fn lines_are_cut_between_blocks_and_no_device_changes_what_they_come_to() {
    let width = 3 * BLOCK + 5_000;
    let lines = values(width, 3);
    let cut = Lines::new(small_gpu(), &keys(1), width).unwrap();
    let starts: Vec<_> = cut.tensor.ranges().iter().map(|range| range.start).collect();
    assert_eq!(starts, [0, BLOCK, 2 * BLOCK, 3 * BLOCK]);
    assert_eq!(Lines::new(gpu(), &keys(3), width).unwrap().tensor.shards.len(), 1);
    let [whole, pieces] = [gpu(), small_gpu()].map(|gpu| rotated(gpu, &lines, &keys(1), Way::There));
    assert!(whole.iter().zip(&pieces).all(|(whole, piece)| whole.to_bits() == piece.to_bits()));
    assert_eq!(Lines::most(small_gpu()), 1);
    let error = Lines::new(small_gpu(), &keys(2), width).unwrap_err();
    assert!(error.to_string().contains("2 lines"), "{error}");
}
