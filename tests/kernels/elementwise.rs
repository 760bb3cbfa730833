//! Fill and copy: exact, and nothing beside their own elements is touched.

use crate::support::{gpu, values, wide};
use fedfunnel::ops::elementwise::{self, Layout};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::elementwise::{self as twin, RowCopy};

#[test]
fn fill_reaches_its_own_elements_only() {
    for [length, first, count] in [[1, 0, 1], [77, 5, 13], [5000, 4096, 904], [300_001, 1, 299_999]] {
        let before = values(length, 1);
        let buffer = gpu().upload("fill", &before).unwrap();
        gpu().run(&[elementwise::fill(gpu(), &buffer, first, count, 0.1).unwrap()]).unwrap();
        let mut expected = wide(&before);
        twin::fill(&mut expected[first..first + count], f64::from(0.1f32));
        let actual: Vec<f32> = gpu().read(&buffer).unwrap();
        assert_close("fill", &actual, &expected, Tolerance::Exact);
        expected[first] += 0.01;
        assert!(compare("fill", &actual, &expected, Tolerance::Exact).is_err());
    }
}

/// One replica of a copy as the twin takes it; a transposed side has a column stride.
fn expected(
    source: &[f64],
    destination: &mut [f64],
    (from, to): (Layout, Layout),
    [replicas, rows, columns]: [usize; 3],
) {
    for replica in 0..replicas {
        for column in 0..columns {
            let copy = RowCopy {
                rows,
                columns: 1,
                source_offset: from.first + replica * from.replica + column * from.column,
                source_stride: from.row,
                destination_offset: to.first + replica * to.replica + column * to.column,
                destination_stride: to.row,
            };
            twin::copy_rows(source, destination, copy);
        }
    }
}

#[test]
fn copies_agree_with_their_twin() {
    let packed =
        |columns: usize, rows: usize| Layout { first: 0, replica: rows * columns, row: columns, column: 1 };
    let transposed =
        |columns: usize, rows: usize| Layout { first: 0, replica: rows * columns, row: 1, column: rows };
    let cases = [
        ("the whole", packed(5, 7), packed(5, 7), [1, 7, 5]),
        ("the whole of three", packed(5, 7), packed(5, 7), [3, 7, 5]),
        ("a transposition", packed(5, 7), transposed(5, 7), [3, 7, 5]),
        ("and back", transposed(13, 9), packed(13, 9), [3, 9, 13]),
        ("one replica for all", Layout { replica: 0, ..packed(5, 7) }, packed(5, 7), [3, 7, 5]),
        (
            "a part into a part",
            Layout { first: 3, replica: 60, row: 11, column: 2 },
            Layout { first: 7, replica: 71, row: 13, column: 1 },
            [3, 4, 5],
        ),
        ("more than the lanes of a dispatch", packed(601, 503), transposed(601, 503), [1, 503, 601]),
    ];
    for (what, from, to, [replicas, rows, columns]) in cases {
        let length = |at: Layout| {
            at.first + (replicas - 1) * at.replica + (rows - 1) * at.row + (columns - 1) * at.column + 2
        };
        let source = values(length(from), 1);
        let before = values(length(to), 2);
        let source_buffer = gpu().upload("source", &source).unwrap();
        let buffer = gpu().upload("destination", &before).unwrap();
        let sides = ((&source_buffer, from), (&buffer, to));
        let copy = elementwise::copy(gpu(), sides.0, sides.1, [replicas, rows, columns]).unwrap();
        gpu().run(&[copy]).unwrap();
        let mut wanted = wide(&before);
        expected(&wide(&source), &mut wanted, (from, to), [replicas, rows, columns]);
        let actual: Vec<f32> = gpu().read(&buffer).unwrap();
        assert_close(what, &actual, &wanted, Tolerance::Exact);
        // Without the copy it is not what was expected.
        assert!(compare(what, &before, &wanted, Tolerance::Permissive).is_err(), "{what}");
    }
}
