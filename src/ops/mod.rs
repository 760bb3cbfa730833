//! Layers and losses as dispatches: shapes in, dispatches out. One file for each shader, of the
//! same name, and a folder where several shaders do the work of one layer.

mod activation;
pub mod augment;
pub mod conv;
pub mod dense;
pub mod elementwise;
pub mod gather;
pub mod gram;
pub mod loss;
pub mod mlp;
pub mod optimizer;
pub mod peaks;
pub mod pool;
pub mod random;
pub mod reduce;
pub mod standardize;

pub use activation::Activation;

use crate::gpu::Buffer;

/// What each replica's optimiser needs to know of each step, on the device: `[R, steps]` of
/// (1 / samples, rate / (1 - beta1^t), 1 / sqrt(1 - beta2^t), rate). A first number of 0 means that the
/// replica has no samples in this step and rests.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Four numbers for each replica and step.
    pub buffer: Buffer,
    /// How many steps it holds.
    pub steps: usize,
}
