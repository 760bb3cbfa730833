//! Statistics of rows, and the weighted average of replicas.

use super::elementwise::STREAM_LANES;
use crate::Result;
use crate::gpu::{Buffer, Dispatch, Gpu, Grid, Kernel, immediates};

immediates! {
    struct Reduce {
        rows: u32,
        width: u32,
        chunk: u32,
    }
}

immediates! {
    struct Average {
        replicas: u32,
        count: u32,
        source_first: u32,
        source_replica: u32,
        destination_first: u32,
    }
}

/// Values that one lane reduces.
const CHUNK: usize = 512;

/// Statistics of one row, as [`rows`] leaves them in its result.
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct RowStatistics {
    /// Sum of the values.
    pub sum: f32,
    /// Their mean.
    pub mean: f32,
    /// Their population variance.
    pub variance: f32,
    /// The smallest.
    pub smallest: f32,
    /// The largest.
    pub largest: f32,
}

/// Reduces each row of `values` `[rows, width]`. The result is a buffer of [`RowStatistics`].
pub fn rows(gpu: &Gpu, values: &Buffer, rows: usize, width: usize) -> Result<(Vec<Dispatch>, Buffer)> {
    let chunks = width.div_ceil(CHUNK);
    let moments = gpu.zeros("chunk moments", rows * chunks * 4)?;
    let result = gpu.zeros("row statistics", rows * 5)?;
    let immediates = Reduce { rows: rows as u32, width: width as u32, chunk: CHUNK as u32 };
    let first = gpu.dispatch(
        &Kernel::new("reduce", "reduce_chunks"),
        &immediates,
        &[("values", values), ("chunk_moments", &moments)],
        Grid(chunks as u32, rows as u32, 1),
    )?;
    let second = gpu.dispatch(
        &Kernel::new("reduce", "reduce_finish"),
        &immediates,
        &[("moments", &moments), ("reduced", &result)],
        Grid(rows as u32, 1, 1),
    )?;
    Ok((vec![first, second], result))
}

/// Where the replicas lie whose average is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Replicas<'a> {
    /// `[R, stride]`
    pub values: &'a Buffer,
    /// R
    pub count: usize,
    /// Element of replica 0's first value.
    pub first: usize,
    /// Elements from one replica to the next.
    pub stride: usize,
}

/// `into[at + i] = sum over r of weights[r] values[r, i] / sum of weights` for `width` values.
pub fn average_replicas(
    gpu: &Gpu,
    replicas: Replicas<'_>,
    weights: &Buffer,
    (into, at): (&Buffer, usize),
    width: usize,
) -> Result<Dispatch> {
    let immediates = Average {
        replicas: replicas.count as u32,
        count: width as u32,
        source_first: replicas.first as u32,
        source_replica: replicas.stride as u32,
        destination_first: at as u32,
    };
    gpu.dispatch(
        &Kernel::new("reduce", "average_replicas"),
        &immediates,
        &[("values", replicas.values), ("weights", weights), ("averaged", into)],
        Grid((width as u32).min(STREAM_LANES), 1, 1),
    )
}
