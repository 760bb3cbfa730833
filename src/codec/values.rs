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

    /// Takes those of a batch out, on the host. Lines of one tensor are read back together.
    pub fn take_all(gpu: &Gpu, mut batch: Vec<&mut Self>) -> Result<Vec<Vec<f32>>> {
        match Self::lines_of(&batch) {
            Some(tensor) => {
                let values = tensor.read(gpu)?;
                batch.iter_mut().for_each(|values| **values = Self::default());
                Ok(values.chunks_exact(tensor.width.max(1)).map(<[f32]>::to_vec).collect())
            }
            None => batch.into_iter().map(|values| values.take(gpu)).collect(),
        }
    }

    /// The tensor `[R, 1, N]` whose R lines these values are, in order.
    pub fn tensor_of<V: std::borrow::Borrow<Self>>(batch: &[V]) -> Option<Tensor> {
        Self::lines_of(batch).filter(|tensor| tensor.batch == 1)
    }

    /// The tensor `[R, B, N]` whose lines these values are, all of them and in order.
    fn lines_of<V: std::borrow::Borrow<Self>>(batch: &[V]) -> Option<Tensor> {
        let first = match batch.first().map(std::borrow::Borrow::borrow) {
            Some(Self::Device { tensor, .. }) if tensor.replicas * tensor.batch == batch.len() => tensor,
            _ => return None,
        };
        let is_line = |(place, values): (usize, &V)| match values.borrow() {
            Self::Device { tensor, line } => *line == place && tensor.is_same_memory(first),
            Self::Host(_) => false,
        };
        batch.iter().enumerate().all(is_line).then(|| first.clone())
    }

    /// Takes them out, on the host.
    pub fn take(&mut self, gpu: &Gpu) -> Result<Vec<f32>> {
        match std::mem::take(self) {
            Self::Host(values) => Ok(values),
            Self::Device { tensor, line } => tensor.read_line(gpu, line),
        }
    }
}
