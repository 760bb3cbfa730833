//! Fill and copy.

use crate::Result;
use crate::gpu::{Buffer, Dispatch, Gpu, Grid, Kernel, immediates};

immediates! {
    struct Fill {
        first: u32,
        count: u32,
        value: f32,
    }
}

immediates! {
    struct CopyImmediates {
        rows: u32,
        columns: u32,
        source_first: u32,
        source_replica: u32,
        source_row: u32,
        source_column: u32,
        destination_first: u32,
        destination_replica: u32,
        destination_row: u32,
        destination_column: u32,
    }
}

/// Invocations that share a long loop; enough for a large GPU, few enough for one dispatch.
pub(crate) const STREAM_LANES: u32 = 64 * 4096;

/// `buffer[first .. first + count] = value`
pub fn fill(gpu: &Gpu, buffer: &Buffer, first: usize, count: usize, value: f32) -> Result<Dispatch> {
    let kernel = Kernel::new("elementwise", "fill");
    let immediates = Fill { first: first as u32, count: count as u32, value };
    gpu.dispatch(
        &kernel,
        &immediates,
        &[("destination", buffer)],
        Grid((count as u32).min(STREAM_LANES), 1, 1),
    )
}

/// Where the elements `[R, rows, columns]` of one side of a copy lie.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Element of replica 0, row 0, column 0.
    pub first: usize,
    /// Elements from one replica to the next; 0 repeats replica 0.
    pub replica: usize,
    /// Elements from one row to the next.
    pub row: usize,
    /// Elements from one column to the next.
    pub column: usize,
}

/// `destination[r, i, j] = source[r, i, j]` for `[replicas, rows, columns]`, each side with its own
/// strides: copies a part, repeats a replica, or transposes. The buffers must differ.
pub fn copy(
    gpu: &Gpu,
    (source, from): (&Buffer, Layout),
    (destination, to): (&Buffer, Layout),
    [replicas, rows, columns]: [usize; 3],
) -> Result<Dispatch> {
    let immediates = CopyImmediates {
        rows: rows as u32,
        columns: columns as u32,
        source_first: from.first as u32,
        source_replica: from.replica as u32,
        source_row: from.row as u32,
        source_column: from.column as u32,
        destination_first: to.first as u32,
        destination_replica: to.replica as u32,
        destination_row: to.row as u32,
        destination_column: to.column as u32,
    };
    let lanes = ((rows * columns) as u32).min(STREAM_LANES);
    gpu.dispatch(
        &Kernel::new("elementwise", "copy"),
        &immediates,
        &[("source", source), ("destination", destination)],
        Grid(lanes, 1, replicas as u32),
    )
}
