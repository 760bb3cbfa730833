//! The device by itself: what a dispatch costs, and the peaks that all else is held against.

use super::harness::{Ready, Unit};
use super::work::{Work, work};
use crate::ops::{elementwise, peaks};

/// Values that are streamed: 64 MiB in and as much out, more than caches hold, and no more than any binding.
const STREAMED: usize = 16 << 20;

/// Lanes and rounds of the arithmetic: a few times 10^10 operations, on any GPU enough lanes to fill it.
const LANES: usize = 1 << 16;
const ROUNDS: usize = 2_048;

/// The works of this file.
pub(super) fn works() -> Vec<Work> {
    vec![
        work("arithmetic", "sixteen chains of multiply and add in registers: the arithmetic peak", |gpu| {
            let results = gpu.zeros("results", 4 * LANES)?;
            let dispatch = peaks::arithmetic(gpu, &results, LANES, ROUNDS, 0.75, 0.3)?;
            Ready::dispatches(gpu, vec![dispatch], None, Unit::Gflops)
        }),
        work("stream", "64 MiB read and 64 MiB written: the bandwidth peak", |gpu| {
            let most = (gpu.max_binding_bytes() / 4) as usize;
            let count = STREAMED.min(most - most % 4);
            let (from, to) = (gpu.zeros("source", count)?, gpu.zeros("results", count)?);
            gpu.run(&[elementwise::fill(gpu, &from, 0, count, 1.0)?])?;
            let dispatch = peaks::stream(gpu, &from, &to, count, 0.3)?;
            Ready::dispatches(gpu, vec![dispatch], None, Unit::GigabytesPerSecond)
        }),
        work("dispatch", "one more dispatch, of a single workgroup, in a recorded run", |gpu| {
            let buffer = gpu.zeros("a few", 64)?;
            let dispatch = elementwise::fill(gpu, &buffer, 0, 64, 1.0)?;
            Ready::dispatches(gpu, vec![dispatch], None, Unit::Microseconds)
        }),
        work("submit", "one dispatch sent by itself and waited for", |gpu| {
            let buffer = gpu.zeros("a few", 64)?;
            let dispatches = [elementwise::fill(gpu, &buffer, 0, 64, 1.0)?];
            Ok(Ready::wall(Unit::Microseconds, move || {
                gpu.run(&dispatches)?;
                gpu.wait()
            }))
        }),
    ]
}
