//! The weighted average of replicas.

use super::elementwise::STREAM_LANES;
use crate::Result;
use crate::gpu::{Buffer, Dispatch, Gpu, Grid, Kernel, immediates};

immediates! {
    struct Average {
        u32: replicas, count, source_first, source_replica, destination_first;
    }
}

/// The replicas that are averaged.
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
    into: &Buffer,
    at: usize,
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
