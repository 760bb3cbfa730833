//! Layers and losses as dispatches: shapes in, dispatches out. One file for each shader, of the
//! same name, and a folder where several shaders do the work of one layer.

mod activation;
mod arena;
pub mod augment;
pub mod clusters;
pub mod code;
pub mod conv;
pub mod dense;
pub mod directions;
pub mod drift;
pub mod elementwise;
pub mod filters;
pub mod gather;
pub mod gram;
pub mod hadamard;
pub mod largest;
pub mod loss;
pub mod masks;
pub mod mlp;
pub mod optimizer;
pub mod peaks;
pub mod pool;
pub mod random;
pub mod reduce;
pub mod sketch;
pub mod standardize;
pub mod subspace;

pub use activation::{Activated, Activation};
pub use arena::{Arena, TrainedArena};
pub use optimizer::{Moments, Optimizer, OptimizerKind, Schedule, ScheduleWriter, UpdateRule};
