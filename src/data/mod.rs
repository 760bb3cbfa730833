//! Image data sets: readers, the embedded sample, downloads, partitioners.
//!
//! [`partition()`] deals samples out to collaborators, and [`epoch_order`] says in which order one of
//! them sees its own.

mod order;
mod partition;
mod text;

pub use order::{derive_seed, epoch_order};
pub use partition::{Partitioner, partition};
