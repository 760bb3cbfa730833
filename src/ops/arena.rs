//! Where a model's parameters and moments lie.

use crate::gpu::Buffer;
use crate::{Error, Result};

/// Memory of a model's parameters or moments: `[R, stride]`.
#[derive(Clone, Debug)]
pub struct Arena {
    /// The memory.
    pub buffer: Buffer,
    /// Elements from one replica to the next; a multiple of four.
    pub stride: usize,
}

/// Arenas of a model's parameters and of its optimiser's moments, laid out alike.
#[derive(Clone, Debug)]
pub struct TrainedArena {
    /// Weights and biases.
    pub parameters: Arena,
    /// Momentum, or Adam's first moments.
    pub first_moments: Buffer,
    /// Adam's second moments.
    pub second_moments: Option<Buffer>,
}

impl TrainedArena {
    pub(super) fn second_moments(&self) -> Result<&Buffer> {
        let fault = || Error::fault("Adam without second moments");
        self.second_moments.as_ref().ok_or_else(fault)
    }
}
