//! The device: adapter choice, buffers and shards, kernels, the recorder, readback, timestamps.
//!
//! Nothing above this module names a `wgpu` type but through what is exported here.

mod account;
mod adapter;
mod buffer;
mod capacity;
mod class;
mod device;
mod dispatch;
mod environment;
mod fault;
mod immediates;
mod interrupt;
mod kernel;
pub mod needs;
mod pace;
mod pose;
mod profile;
mod recorder;
mod reflection;
mod registry;
mod section;
mod shard;
mod stamps;
mod stopwatch;
mod tensor;
mod trace;

pub use account::MemoryUse;
pub use adapter::{AdapterSummary, Adapters, DeviceChoice, adapters, choose};
pub use buffer::Buffer;
pub use capacity::Capacity;
pub use class::{AdapterKind, DeviceClass, FEW_LANES, SHARING_LANES};
pub use device::{Gpu, GpuOptions};
pub use dispatch::{Cost, Dispatch, Grid};
pub use environment::quieten_drivers;
pub use immediates::{Field, FieldKind, Immediates};
pub use interrupt::Interrupt;
pub use kernel::{GPU_LANES, Kernel, LANES_LINE, SHADERS, Tiles, ZEROED_WORKGROUP_MEMORY, shader_source};
pub use pose::Pose;
pub use profile::{KernelTime, Profile};
pub use recorder::Recorder;
pub use section::{SharedSection, shared_sections};
pub use shard::{RowRange, split_rows};
pub use stopwatch::{Clock, Stopwatch};
pub use tensor::{Tensor, TensorShard};
pub use trace::{Span, Trace};

pub(crate) use immediates::{ImmediateField, immediates};
pub(crate) use shard::SMALLER;
