//! A work: its name, what it does, and what gets it ready on a device.

use super::harness::{Measurement, Ready};
use crate::Result;
use crate::gpu::Gpu;

/// Prepares a work on a device.
type Prepare = Box<dyn for<'g> Fn(&'g Gpu) -> Result<Ready<'g>>>;

/// Something that is timed.
pub struct Work {
    /// Its name, which never changes.
    pub name: &'static str,
    /// Its description.
    pub what: &'static str,
    /// Whether it takes so much memory that there may be too little.
    large: bool,
    prepare: Prepare,
}

/// A work that fits any device.
pub(super) fn work(
    name: &'static str,
    what: &'static str,
    prepare: impl for<'g> Fn(&'g Gpu) -> Result<Ready<'g>> + 'static,
) -> Work {
    Work { name, what, large: false, prepare: Box::new(prepare) }
}

impl Work {
    /// The same, taking so much memory that there may be too little.
    pub(super) fn large(self) -> Self {
        Self { large: true, ..self }
    }

    /// Gets it ready on a device.
    pub fn prepare<'g>(&self, gpu: &'g Gpu) -> Result<Ready<'g>> {
        (self.prepare)(gpu)
    }

    /// Times it.
    pub fn measure(&self, gpu: &Gpu) -> Result<Measurement> {
        self.prepare(gpu)?.measure(self.name, &gpu.adapter.name)
    }

    /// Bytes that it takes and bytes of the device's memory, where it takes more; found without allocating any.
    pub fn excess(&self, gpu: &Gpu) -> Result<Option<(u64, u64)>> {
        if !self.large {
            return Ok(None);
        }
        let rehearsal = gpu.rehearsal();
        drop(self.prepare(&rehearsal)?);
        let bytes = rehearsal.peak_memory().bytes;
        let capacity = gpu.capacity();
        let there = if capacity.shared { capacity.host } else { capacity.device };
        Ok(there.filter(|there| bytes > *there).map(|there| (bytes, there)))
    }
}
