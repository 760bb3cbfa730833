//! What a process may use of the device: its own. A fork has the memory of its parent and none of the driver's threads,
//! so that waiting for the device would never end.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU32, Ordering};

/// The process that opened a device first; 0 while none did.
static OPENED_BY: AtomicU32 = AtomicU32::new(0);

/// Notes that this process opens a device. Errors in a fork of one that has opened one.
pub fn enter() -> PyResult<()> {
    let own = std::process::id();
    match OPENED_BY.compare_exchange(0, own, Ordering::Relaxed, Ordering::Relaxed) {
        Err(other) if other != own => Err(forked(other)),
        _ => Ok(()),
    }
}

fn forked(parent: u32) -> PyErr {
    PyRuntimeError::new_err(format!(
        "process {} was forked from {parent}, which had opened a device, and cannot use one; start it anew, with \
         multiprocessing.get_context(\"spawn\"), or open devices in the forks alone",
        std::process::id()
    ))
}

/// Something that holds a device of this process. In a fork it is neither used nor dropped, since either would wait
/// for threads that are not there.
pub struct OfProcess<T> {
    value: ManuallyDrop<T>,
    process: u32,
}

impl<T> OfProcess<T> {
    pub fn new(value: T) -> Self {
        Self { value: ManuallyDrop::new(value), process: std::process::id() }
    }

    fn check(&self) -> PyResult<()> {
        if self.process == std::process::id() { Ok(()) } else { Err(forked(self.process)) }
    }

    /// What is held. Errors in a fork.
    pub fn get(&self) -> PyResult<&T> {
        self.check()?;
        Ok(&self.value)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self) -> PyResult<&mut T> {
        self.check()?;
        Ok(&mut self.value)
    }

    /// What of it has nothing to do with the device.
    pub fn on_host(&self) -> &T {
        &self.value
    }
}

impl<T> Drop for OfProcess<T> {
    fn drop(&mut self) {
        if self.process == std::process::id() {
            // SAFETY: it is dropped once, here, and not looked at afterwards.
            unsafe { ManuallyDrop::drop(&mut self.value) }
        }
    }
}
