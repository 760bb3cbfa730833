//! Filling.

use crate::Result;
use crate::gpu::{Buffer, Dispatch, Gpu, Grid, Kernel, immediates};

immediates! {
    struct Filling {
        u32: first, count;
        f32: value;
    }
}

/// Invocations that share a long loop; enough for a large GPU, few enough for one dispatch.
pub(crate) const STREAM_LANES: u32 = 64 * 4096;

/// `buffer[first .. first + count] = value`
pub fn fill(gpu: &Gpu, buffer: &Buffer, first: usize, count: usize, value: f32) -> Result<Dispatch> {
    let kernel = Kernel::new("elementwise", "fill");
    let immediates = Filling { first: first as u32, count: count as u32, value };
    gpu.dispatch(
        &kernel,
        &immediates,
        &[("destination", buffer)],
        Grid((count as u32).min(STREAM_LANES), 1, 1),
    )
}
