//! Standardising with given means and scales, and its inverse.

use crate::Result;
use crate::gpu::{Buffer, Dispatch, Gpu, Grid, Kernel, Tensor, immediates};

immediates! {
    struct Standardize {
        u32: lines, width;
    }
}

/// Values that a lane takes.
const EACH: u32 = 16;

/// Means and scales on the device.
#[derive(Clone, Debug)]
pub struct Standards {
    /// `[R, 1, N]`, cut as the tensors that they belong to.
    pub means: Tensor,
    /// `[R]`: one scale for all of a replica's values.
    pub scales: Buffer,
}

/// `into = (values - mean) / scale`, shard by shard.
pub fn forward(gpu: &Gpu, values: &Tensor, standards: &Standards, into: &Tensor) -> Result<Vec<Dispatch>> {
    each_shard(gpu, "standardize_forward", values, standards, into)
}

/// `into = values * scale + mean`, shard by shard.
pub fn inverse(gpu: &Gpu, values: &Tensor, standards: &Standards, into: &Tensor) -> Result<Vec<Dispatch>> {
    each_shard(gpu, "standardize_inverse", values, standards, into)
}

fn each_shard(
    gpu: &Gpu,
    entry: &'static str,
    values: &Tensor,
    standards: &Standards,
    into: &Tensor,
) -> Result<Vec<Dispatch>> {
    into.expect_cut_as(&standards.means)?;
    values.expect_cut_as(into)?;
    let kernel = Kernel::new("standardize", entry);
    let shards = into.shards.iter().zip(&values.shards).zip(&standards.means.shards);
    shards
        .map(|((shard, values), means)| {
            let width = shard.range.len as u32;
            let buffers = [
                ("values", &values.buffer),
                ("means", &means.buffer),
                ("scales", &standards.scales),
                ("results", &shard.buffer),
            ];
            let grid = Grid(width.div_ceil(EACH), into.batch as u32, into.replicas as u32);
            gpu.dispatch(&kernel, &Standardize { lines: into.batch as u32, width }, &buffers, grid)
        })
        .collect()
}
