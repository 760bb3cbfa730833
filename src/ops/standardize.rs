//! Standardising with given means and scales, and its inverse.

use crate::Result;
use crate::gpu::{Buffer, Dispatch, Gpu, Grid, Kernel, Tensor, immediates};

immediates! {
    struct Standardize {
        u32: lines, width, scales;
    }
}

/// Means and scales on the device, cut as the tensors they belong to.
#[derive(Clone, Debug)]
pub struct Standards {
    /// `[R, 1, N]`
    pub means: Tensor,
    /// One scale for all of a replica's values (`[R]`, one buffer), or one for each (`[R, N]`, cut).
    pub scales: Scales,
}

/// The scales of [`Standards`].
#[derive(Clone, Debug)]
pub enum Scales {
    /// `[R]`
    Global(Buffer),
    /// `[R, 1, N]`
    Each(Tensor),
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
    if let Scales::Each(scales) = &standards.scales {
        into.expect_cut_as(scales)?;
    }
    let kernel = Kernel::new("standardize", entry);
    let shards = into.shards.iter().zip(&standards.means.shards).enumerate();
    shards
        .map(|(place, (shard, means))| {
            let width = shard.range.len as u32;
            let (scales, buffer) = match &standards.scales {
                Scales::Global(buffer) => (1, buffer),
                Scales::Each(tensor) => (width, &tensor.shards[place].buffer),
            };
            let values = &values.shards[place].buffer;
            gpu.dispatch(
                &kernel,
                &Standardize { lines: into.batch as u32, width, scales },
                &[
                    ("values", values),
                    ("means", &means.buffer),
                    ("scales", buffer),
                    ("results", &shard.buffer),
                ],
                Grid(width, into.batch as u32, into.replicas as u32),
            )
        })
        .collect()
}
