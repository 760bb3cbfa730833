//! What goes wrong on a device outside a call that could return it.

use crate::lock::lock;
use crate::{Error, Result};
use std::sync::{Arc, Mutex};

/// Something that went wrong on the device.
#[derive(Clone, Debug)]
enum Fault {
    /// One call failed.
    Error(String),
    /// It has too little memory.
    Memory,
    /// It is gone, and every later call fails.
    Lost(String),
}

/// The first thing that went wrong, until somebody asks.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Option<Fault>>);

impl Faults {
    /// Listens to a device.
    pub fn of(device: &wgpu::Device) -> Arc<Self> {
        let faults = Arc::new(Self::default());
        let seen = faults.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| match error {
            wgpu::Error::OutOfMemory { .. } => seen.out_of_memory(),
            other => seen.note(Fault::Error(other.to_string())),
        }));
        let seen = faults.clone();
        device.set_device_lost_callback(move |_, message| {
            // A device that runs out of memory is lost too; the cause is what helps.
            let mut seen = lock(&seen.0);
            if !matches!(*seen, Some(Fault::Memory)) {
                *seen = Some(Fault::Lost(message));
            }
        });
        faults
    }

    fn note(&self, fault: Fault) {
        lock(&self.0).get_or_insert(fault);
    }

    /// The device has too little memory.
    pub fn out_of_memory(&self) {
        self.note(Fault::Memory);
    }

    /// An error where something went wrong since the last call, on the device of this name, of whose memory so many
    /// bytes are in use here.
    pub fn check(&self, name: &str, in_use: impl FnOnce() -> u64) -> Result<()> {
        let sentence = |text: &str| text.trim().trim_end_matches('.').replace('\n', " ");
        let mut place = lock(&self.0);
        // A lost device stays lost.
        let fault = if let Some(Fault::Lost(_)) = &*place { place.clone() } else { place.take() };
        drop(place);
        Err(match fault {
            None => return Ok(()),
            Some(Fault::Error(text)) => Error::device(
                format!("{name}: {}", sentence(&text)),
                "free memory on the device, use smaller shapes, or choose another --device",
            ),
            Some(Fault::Memory) => Error::OutOfMemory {
                problem: format!(
                    "{name} has run out of memory with {:.2} GB in use here, whatever else uses it",
                    in_use() as f64 * 1e-9
                ),
                mend: "free memory on the device, use smaller shapes, or choose another --device".into(),
            },
            Some(Fault::Lost(text)) => Error::DeviceLost {
                problem: match sentence(&text) {
                    text if text.is_empty() => format!("{name} was lost while it worked"),
                    text => format!("{name} was lost while it worked ({text})"),
                },
                mend: "what was saved before is whole; run again, or choose another --device".into(),
            },
        })
    }
}
