//! Products over the long axis, and linear combinations of what lies along it.

use crate::support::{every_class, gpu, values, wide};
use fedfunnel::gpu::Gpu;
use fedfunnel::ops::gram::{self, Coefficients, Source, Tile};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::gram as twin;

/// A tile of `rows` rows, packed from vectors that lie one after the other and, the last one, from a column
/// of a matrix, with what lies around them left out.
fn packed(gpu: &Gpu, rows: usize, vectors: usize) -> (Tile, Vec<f64>) {
    let lines = values((vectors - 1) * (rows + 3), 1);
    let matrix = values(rows * 5, 2);
    let tile = Tile::new(gpu, rows + 2, vectors).unwrap();
    let (from, last) = (gpu.upload("lines", &lines).unwrap(), gpu.upload("matrix", &matrix).unwrap());
    let along = Source { buffer: &from, first: 2, row: 1, column: rows + 3, columns: vectors - 1 };
    let across = Source { buffer: &last, first: 4, row: 5, column: 1, columns: 1 };
    let mut dispatches = vec![gram::pack(gpu, across, &tile, rows, vectors - 1).unwrap()];
    if vectors > 1 {
        dispatches.push(gram::pack(gpu, along, &tile, rows, 0).unwrap());
    }
    gpu.run(&dispatches).unwrap();
    let mut all: Vec<f32> =
        lines.chunks_exact(rows + 3).flat_map(|line| line[2..2 + rows].to_vec()).collect();
    all.extend((0..rows).map(|row| matrix[row * 5 + 4]));
    (tile, twin::pack(&wide(&all), vectors))
}

fn unpadded(padded: &[f32], stride: usize, columns: usize) -> Vec<f32> {
    padded.chunks_exact(stride).flat_map(|row| row[..columns].to_vec()).collect()
}

const SHAPES: [[usize; 2]; 6] = [[1, 1], [3, 2], [17, 9], [129, 37], [1031, 41], [77, 150]];

#[test]
fn tiles_are_packed_from_lines_and_from_columns() {
    for [rows, vectors] in SHAPES {
        let what = format!("{vectors} vectors of {rows}");
        let (tile, expected) = packed(gpu(), rows, vectors);
        let whole: Vec<f32> = gpu().read(&tile.buffer).unwrap();
        let padding = whole.chunks_exact(tile.stride).flat_map(|row| &row[vectors..]);
        assert!(padding.chain(&whole[rows * tile.stride..]).all(|&x| x == 0.0), "{what}: padding");
        let actual = unpadded(&whole[..rows * tile.stride], tile.stride, vectors);
        assert_close(&what, &actual, &expected, Tolerance::Exact);
        if rows > 1 && vectors > 1 {
            let transposed = twin::pack(&expected, rows);
            assert!(compare(&what, &actual, &transposed, Tolerance::Permissive).is_err(), "{what}");
        }
    }
}

#[test]
fn products_agree_with_their_twin() {
    for gpu in every_class() {
        for [rows, vectors] in SHAPES {
            for lines in [vectors, vectors.div_ceil(3)] {
                let what = format!("{lines} of {vectors} vectors of {rows}");
                let (tile, x) = packed(gpu, rows, vectors);
                let at = 8;
                let into = gpu.zeros("products", at + lines * tile.stride).unwrap();
                gpu.run(&[gram::product(gpu, &tile, rows, lines, &into, at).unwrap()]).unwrap();
                let all: Vec<f32> = gpu.read(&into).unwrap();
                assert!(all[..at].iter().all(|&x| x == 0.0), "{what}: before the products");
                let upper = |products: &[f64]| -> Vec<f64> {
                    let places = (0..lines).flat_map(|j| (j..vectors).map(move |k| (j, k)));
                    places.map(|(j, k)| products[j * vectors + k]).collect()
                };
                let actual: Vec<f32> = (0..lines)
                    .flat_map(|j| all[at + j * tile.stride + j..at + j * tile.stride + vectors].to_vec())
                    .collect();
                let expected = upper(&twin::product(&x, vectors));
                assert_close(&what, &actual, &expected, Tolerance::Balanced);
                // A row that is left out shows.
                let short = upper(&twin::product(
                    &[&x[..(rows - 1) * vectors], &vec![0.0; vectors]].concat(),
                    vectors,
                ));
                assert!(compare(&what, &actual, &short, Tolerance::Permissive).is_err(), "{what}");
            }
        }
    }
}

#[test]
fn combinations_agree_with_their_twin() {
    for gpu in every_class() {
        for [rows, vectors] in SHAPES {
            for columns in [1, 4, 11, 37] {
                for accumulate in [false, true] {
                    let what = format!("{columns} of {vectors} vectors of {rows}, {accumulate}");
                    let (tile, x) = packed(gpu, rows, vectors);
                    let factors = values(vectors * columns, 5);
                    let coefficients = Coefficients::new(gpu, vectors, columns).unwrap();
                    coefficients.write(gpu, |m, k| factors[m * columns + k]);
                    let (before, at) = (values(rows * columns + 10, 6), 3);
                    let into = gpu.upload("expanded", &before).unwrap();
                    let dispatch = gram::expand(gpu, &tile, rows, &coefficients, &into, at, accumulate);
                    gpu.run(&[dispatch.unwrap()]).unwrap();
                    let all: Vec<f32> = gpu.read(&into).unwrap();
                    let own = at..at + rows * columns;
                    assert_eq!((&all[..at], &all[own.end..]), (&before[..at], &before[own.end..]), "{what}");
                    let sum = |coefficients: &[f64]| -> Vec<f64> {
                        let base = wide(&before[own.clone()]);
                        let added = twin::expand(&x, coefficients, vectors);
                        added
                            .iter()
                            .zip(base)
                            .map(|(x, base)| x + if accumulate { base } else { 0.0 })
                            .collect()
                    };
                    let mut factors = wide(&factors);
                    assert_close(&what, &all[own.clone()], &sum(&factors), Tolerance::Balanced);
                    factors.iter_mut().take(columns).for_each(|factor| *factor *= 1.1);
                    assert!(
                        compare(&what, &all[own.clone()], &sum(&factors), Tolerance::Balanced).is_err(),
                        "{what}"
                    );
                }
            }
        }
    }
}
