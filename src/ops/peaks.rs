//! The peaks of an adapter: arithmetic without memory, and memory with next to no arithmetic.

use crate::Result;
use crate::gpu::{Buffer, Dispatch, Gpu, Grid, Kernel, immediates};

immediates! {
    struct Arithmetic {
        u32: lanes, rounds;
        f32: factor, summand;
    }
}

immediates! {
    struct Stream {
        u32: count;
        f32: factor;
    }
}

/// Sums that each lane keeps in registers.
const CHAINS: usize = 16;

/// `lanes` lanes step 16 sums each from `x` to `x * factor + summand`, `rounds` times, and leave four sums of four
/// of them in `results` `[lanes, 4]`.
pub fn arithmetic(
    gpu: &Gpu,
    results: &Buffer,
    lanes: usize,
    rounds: usize,
    factor: f32,
    summand: f32,
) -> Result<Dispatch> {
    let immediates = Arithmetic { lanes: lanes as u32, rounds: rounds as u32, factor, summand };
    let buffers = [("results4", results)];
    let kernel = Kernel::new("peaks", "peak_arithmetic");
    let dispatch = gpu.dispatch(&kernel, &immediates, &buffers, Grid(lanes as u32, 1, 1))?;
    Ok(dispatch.with_traffic(4 * lanes, 2 * CHAINS * lanes * rounds))
}

/// `results = source * factor`, for `count` values: a multiple of four.
pub fn stream(gpu: &Gpu, source: &Buffer, results: &Buffer, count: usize, factor: f32) -> Result<Dispatch> {
    let fours = (count / 4) as u32;
    let immediates = Stream { count: fours, factor };
    let buffers = [("source4", source), ("results4", results)];
    let dispatch =
        gpu.dispatch(&Kernel::new("peaks", "peak_stream"), &immediates, &buffers, Grid(fours, 1, 1))?;
    Ok(dispatch.with_traffic(2 * count, count))
}
