//! Counter-based random initial values: the same on every adapter and for every way of sharding.

mod host;

pub use host::{bits, from_bits, pcg4d, uniform_values};

use super::elementwise::STREAM_LANES;
use crate::Result;
use crate::gpu::{Buffer, Dispatch, Gpu, Grid, Kernel, RowRange, immediates};

immediates! {
    struct Random {
        u32: rows, columns, first_row, whole_rows, transposed, offset, replica_stride, shared_start, tensor,
             seed;
        f32: scale;
    }
}

/// The shard of a tensor that is to be filled, and where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Its memory, `[R, stride]`.
    pub buffer: &'a Buffer,
    /// R
    pub replicas: usize,
    /// Element of replica 0's first value.
    pub offset: usize,
    /// Elements from one replica to the next.
    pub replica_stride: usize,
    /// The rows of this shard.
    pub range: RowRange,
    /// All rows.
    pub whole_rows: usize,
    /// Columns.
    pub columns: usize,
    /// Whether the tensor's own order is the transpose of how it lies on the device.
    pub transposed: bool,
}

/// Which numbers.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    /// The experiment's seed.
    pub seed: u32,
    /// The tensor's place in its model.
    pub tensor: u32,
    /// Every replica gets the numbers of replica 0.
    pub shared_start: bool,
    /// Values are uniform in `[-bound, bound)`.
    pub bound: f32,
}

/// Fills the target with uniform values in `[-bound, bound)`.
pub fn uniform(gpu: &Gpu, target: &Target<'_>, draw: &Draw) -> Result<Dispatch> {
    let immediates = Random {
        rows: target.range.len as u32,
        columns: target.columns as u32,
        first_row: target.range.start as u32,
        whole_rows: target.whole_rows as u32,
        transposed: target.transposed.into(),
        offset: target.offset as u32,
        replica_stride: target.replica_stride as u32,
        shared_start: draw.shared_start.into(),
        tensor: draw.tensor,
        seed: draw.seed,
        scale: draw.bound / 8_388_608.0,
    };
    let lanes = ((target.range.len * target.columns) as u32).min(STREAM_LANES);
    gpu.dispatch(
        &Kernel::new("random", "random_uniform"),
        &immediates,
        &[("values", target.buffer)],
        Grid(lanes, 1, target.replicas as u32),
    )
}
