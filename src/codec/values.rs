//! Values on their way through a pipeline, on the host or on the device.

use crate::Result;
use crate::gpu::{Gpu, Tensor};

/// Values on the host, or a line of a tensor that is read back only when a stage asks for it.
#[derive(Clone, Debug)]
pub enum Values {
    /// On the host.
    Host(Vec<f32>),
    /// On the device.
    Device {
        /// The tensor, `[R, B, N]`.
        tensor: Tensor,
        /// Which of its R x B lines.
        line: usize,
    },
}

impl Default for Values {
    fn default() -> Self {
        Self::Host(Vec::new())
    }
}

impl Values {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Host(values) => values.len(),
            Self::Device { tensor, .. } => tensor.width,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes them out, on the host.
    pub fn take(&mut self, gpu: &Gpu) -> Result<Vec<f32>> {
        match std::mem::take(self) {
            Self::Host(values) => Ok(values),
            Self::Device { tensor, line } => tensor.read_line(gpu, line),
        }
    }
}
