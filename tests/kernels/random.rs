//! Random initial values: bit for bit those of the reference, whatever the layout and the cut.

use crate::support::{gpu, wide};
use fedfunnel::gpu::{RowRange, split_rows};
use fedfunnel::ops::random::{self as ops, Draw, Target};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::random::uniform_tensor;

const SEED: u32 = 4_000_000_007;
const TENSOR: u32 = 3;
/// No power of two, so that the scale is not exact.
const BOUND: f32 = 0.3;

/// Fills `[R, rows, columns]` in pieces of `piece` rows, each in its own place, and puts it together again
/// in the tensor's own order.
fn filled(
    [replicas, rows, columns]: [usize; 3],
    piece: usize,
    transposed: bool,
    shared_start: bool,
) -> Vec<Vec<f32>> {
    let mut whole = vec![vec![f32::NAN; rows * columns]; replicas];
    for range in split_rows(rows, 1, piece as u64).unwrap() {
        let RowRange { start, len } = range;
        let (offset, replica_stride) = (5, len * columns + 9);
        let guard = 77.0;
        let buffer = gpu().upload("random", &vec![guard; replicas * replica_stride]).unwrap();
        let target = Target {
            buffer: &buffer,
            replicas,
            offset,
            replica_stride,
            range,
            whole_rows: rows,
            columns,
            transposed,
        };
        let draw = Draw { seed: SEED, tensor: TENSOR, shared_start, bound: BOUND };
        gpu().run(&[ops::uniform(gpu(), &target, &draw).unwrap()]).unwrap();
        let values: Vec<f32> = gpu().read(&buffer).unwrap();
        for (replica, values) in values.chunks(replica_stride).enumerate() {
            let (own, after) = values[offset..].split_at(len * columns);
            assert!(values[..offset].iter().chain(after).all(|&x| x == guard), "beside the tensor");
            for (i, &value) in own.iter().enumerate() {
                let (row, column) = (start + i / columns, i % columns);
                let at = if transposed { column * rows + row } else { row * columns + column };
                whole[replica][at] = value;
            }
        }
    }
    whole
}

fn reference(length: usize, replica: u32) -> Vec<f64> {
    wide(&uniform_tensor(length, replica, TENSOR, SEED, BOUND))
}

#[test]
fn values_are_those_of_the_reference_in_any_layout_and_cut() {
    for shape @ [replicas, rows, columns] in [[1usize, 1, 1], [1, 17, 5], [3, 33, 12], [3, 7, 101]] {
        for piece in [rows, rows.div_ceil(2), rows.div_ceil(5)] {
            for transposed in [false, true] {
                for shared_start in [false, true] {
                    let what = format!("{shape:?} by {piece}, {transposed}, {shared_start}");
                    let actual = filled(shape, piece, transposed, shared_start);
                    for (replica, actual) in actual.iter().enumerate().take(replicas) {
                        let number = if shared_start { 0 } else { replica as u32 };
                        let expected = reference(rows * columns, number);
                        assert_close(&what, actual, &expected, Tolerance::Exact);
                        let other = reference(rows * columns, number + 1);
                        assert!(compare(&what, actual, &other, Tolerance::Permissive).is_err(), "{what}");
                    }
                }
            }
        }
    }
}

/// More values than a dispatch has lanes, so that lanes loop.
#[test]
fn long_tensors_are_filled_to_the_end() {
    let shape = [2, 601, 503];
    for (replica, actual) in filled(shape, 601, true, false).iter().enumerate() {
        assert_close("long", actual, &reference(601 * 503, replica as u32), Tolerance::Exact);
    }
}
