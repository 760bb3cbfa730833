//! Fills and copies of rows.

use fedfunnel::reference::elementwise::{RowCopy, copy_rows, fill};

#[test]
fn fill_reaches_every_element() {
    let mut x = [1.0, 2.0, 3.0];
    fill(&mut x, -0.5);
    assert_eq!(x, [-0.5; 3]);
}

#[test]
fn rows_move_between_strides() {
    let source = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
    let mut destination = [9.0; 7];
    let copy = RowCopy {
        rows: 2,
        columns: 2,
        source_offset: 1,
        source_stride: 4,
        destination_offset: 2,
        destination_stride: 3,
    };
    copy_rows(&source, &mut destination, copy);
    assert_eq!(destination, [9.0, 9.0, 1.0, 2.0, 9.0, 5.0, 6.0]);
}

#[test]
fn a_source_stride_of_zero_broadcasts() {
    let mut destination = [0.0; 6];
    let copy = RowCopy {
        rows: 3,
        columns: 2,
        source_offset: 0,
        source_stride: 0,
        destination_offset: 0,
        destination_stride: 2,
    };
    copy_rows(&[1.0, 2.0], &mut destination, copy);
    assert_eq!(destination, [1.0, 2.0, 1.0, 2.0, 1.0, 2.0]);
}
