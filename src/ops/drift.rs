//! What a strategy adds to each step of local training, after the optimiser's.

use super::elementwise::STREAM_LANES;
use super::{Arena, Schedule};
use crate::Result;
use crate::gpu::{Buffer, Dispatch, Gpu, Grid, Kernel, immediates};

immediates! {
    struct Addition {
        u32: quads, start_quads, steps, step;
    }
}

/// Where replicas began.
#[derive(Clone, Copy, Debug)]
pub enum Starts<'a> {
    /// All at the same weights, `[stride]` as an arena has them.
    Shared(&'a Buffer),
    /// Each at its own, `[R, stride]`.
    Each(&'a Buffer),
}

/// What is added to the steps of R replicas.
#[derive(Clone, Copy, Debug)]
pub struct Added<'a> {
    /// R
    pub replicas: usize,
    /// The part of the way back to its start that each replica goes, `[R]`.
    pub pulls: &'a Buffer,
    /// Where replicas began.
    pub starts: Starts<'a>,
    /// What is taken off, `[R, stride]`.
    pub corrections: &'a Buffer,
}

/// `w -= pull * (w - start) + correction` for each weight of the replicas that do not rest in the step.
pub fn apply(gpu: &Gpu, arena: &Arena, schedule: &Schedule, added: Added<'_>) -> Result<Dispatch> {
    let Added { replicas, pulls, starts, corrections } = added;
    let quads = (arena.stride / 4) as u32;
    let (starts, start_quads) = match starts {
        Starts::Shared(buffer) => (buffer, 0),
        Starts::Each(buffer) => (buffer, quads),
    };
    let immediates = Addition { quads, start_quads, steps: schedule.steps as u32, step: 0 };
    let buffers = [
        ("schedule", &schedule.buffer),
        ("pulls", pulls),
        ("starts", starts),
        ("corrections", corrections),
        ("parameters", &arena.buffer),
    ];
    let grid = Grid(quads.min(STREAM_LANES), replicas as u32, 1);
    let dispatch = gpu.dispatch(&Kernel::new("drift", "drift_apply"), &immediates, &buffers, grid)?;
    let values = replicas * arena.stride;
    Ok(dispatch.with_traffic(3 * values + starts.len(), 0))
}
