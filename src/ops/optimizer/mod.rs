//! Optimisers: their settings, the schedule of their steps, and the kernel for layers whose gradients are in memory.

mod schedule;
mod settings;

pub use schedule::{Schedule, ScheduleWriter, UpdateRule};
pub use settings::{Moments, Optimizer, OptimizerKind};

use super::TrainedArena;
use crate::Result;
use crate::gpu::{Buffer, Dispatch, Gpu, Grid, Kernel, immediates};

immediates! {
    struct Apply {
        u32: count, gradient_stride, offset, replica_stride, steps, step;
        f32: rate_scale, beta1, beta2, epsilon, weight_decay;
        u32: decoupled;
    }
}

/// Gradients `[R, count]` and the parameters that they are of.
#[derive(Clone, Copy, Debug)]
pub struct Gradients<'a> {
    /// The gradients.
    pub buffer: &'a Buffer,
    /// R
    pub replicas: usize,
    /// How many of each replica.
    pub count: usize,
    /// Element of replica 0's first parameter in its arena.
    pub offset: usize,
    /// The layer's factor on the rate.
    pub rate_scale: f32,
}

/// One step of the optimiser on the parameters that the gradients are of.
pub fn apply(
    gpu: &Gpu,
    arena: &TrainedArena,
    rule: UpdateRule<'_>,
    gradients: Gradients<'_>,
) -> Result<Dispatch> {
    let UpdateRule { optimizer, schedule } = rule;
    let immediates = Apply {
        count: gradients.count as u32,
        gradient_stride: gradients.count as u32,
        offset: gradients.offset as u32,
        replica_stride: arena.parameters.stride as u32,
        steps: schedule.steps as u32,
        step: 0,
        rate_scale: gradients.rate_scale,
        beta1: optimizer.first_decay(),
        beta2: optimizer.beta2,
        epsilon: optimizer.epsilon,
        weight_decay: optimizer.weight_decay,
        decoupled: optimizer.is_decoupled().into(),
    };
    let mut buffers = vec![
        ("gradients", gradients.buffer),
        ("schedule", &schedule.buffer),
        ("parameters", &arena.parameters.buffer),
        ("first_moments", &arena.first_moments),
    ];
    let entry = if optimizer.is_adaptive() {
        buffers.push(("second_moments", arena.second_moments()?));
        "optimizer_adam"
    } else {
        "optimizer_sgd"
    };
    let grid = Grid(gradients.count as u32, gradients.replicas as u32, 1);
    gpu.dispatch(&Kernel::new("optimizer", entry), &immediates, &buffers, grid)
}
