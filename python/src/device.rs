//! Adapters, and the one that is opened.

use crate::convert::to_python;
use crate::errors::{detached, kind};
use crate::interrupts;
use crate::process::{self, OfProcess};
use fedfunnel::gpu::{Adapters, DeviceChoice, Gpu, GpuOptions, adapters};
use pyo3::prelude::*;
use std::sync::Mutex;
use std::time::Duration;

/// Most time of one submit. Two are under way at a time, and a signal waits for both: it is to be heard within 0.2 s.
const LONGEST_SUBMIT: Duration = Duration::from_millis(50);

/// The device of those who name none.
static USUAL: Mutex<Option<OfProcess<Gpu>>> = Mutex::new(None);

/// The adapters of this machine, one dict each, as `fedfunnel devices --json` has them; `chosen` is true for the one
/// that `Device("auto")` opens.
#[pyfunction]
pub fn devices(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    process::enter()?;
    let Adapters { usable, .. } = detached(py, || adapters(&DeviceChoice::Auto))?;
    to_python(py, &usable)
}

/// An open adapter.
///
/// Device("auto")      the fastest kind there is
/// Device(0)           its place in devices()
/// Device("llvmpipe")  a part of its name, or a back end
///
/// Opening compiles nothing; kernels are compiled when they are first used, once for each device, so that one device
/// for all objects is quicker than one for each. A fork of the process cannot use it.
#[pyclass(frozen, module = "fedfunnel")]
pub struct Device(OfProcess<Gpu>);

fn open(py: Python<'_>, choice: DeviceChoice) -> PyResult<Gpu> {
    process::enter()?;
    let options = GpuOptions {
        device: choice,
        max_submit: Some(LONGEST_SUBMIT),
        interrupt: Some(interrupts::interrupt()),
        ..GpuOptions::default()
    };
    detached(py, || Gpu::open(&options))
}

/// The device that was given, or the usual one.
pub fn of(py: Python<'_>, given: Option<&Bound<'_, Device>>) -> PyResult<Gpu> {
    if let Some(device) = given {
        return Ok(device.get().0.get()?.clone());
    }
    let held = || USUAL.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(usual) = &*held() {
        return Ok(usual.get()?.clone());
    }
    // Nobody waits for the lock while the device is opened; of two that are, one is kept.
    let opened = open(py, DeviceChoice::Auto)?;
    Ok(held().get_or_insert_with(|| OfProcess::new(opened)).get()?.clone())
}

#[pymethods]
impl Device {
    #[new]
    #[pyo3(signature = (name = None))]
    fn new(py: Python<'_>, name: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let choice = match name {
            None => DeviceChoice::Auto,
            Some(name) => match (name.extract::<usize>(), name.extract::<String>()) {
                (Ok(index), _) => DeviceChoice::Index(index),
                (_, Ok(name)) => name.parse().unwrap_or_default(),
                _ => {
                    let problem = format!("{name} is neither a name nor a number");
                    return Err(kind("name", problem, "use \"auto\", or what devices() lists"));
                }
            },
        };
        Ok(Self(OfProcess::new(open(py, choice)?)))
    }

    /// The adapter's own name.
    #[getter]
    fn name(&self) -> &str {
        &self.0.on_host().adapter.name
    }

    /// vulkan, metal, dx12 or gl.
    #[getter]
    fn backend(&self) -> &str {
        &self.0.on_host().adapter.backend
    }

    /// Driver and its version.
    #[getter]
    fn driver(&self) -> &str {
        &self.0.on_host().adapter.driver
    }

    /// Bytes of the device's memory in use now.
    #[getter]
    fn memory(&self) -> PyResult<u64> {
        Ok(self.0.get()?.memory().bytes)
    }

    fn __repr__(&self) -> String {
        format!("Device({:?}, backend={:?})", self.name(), self.backend())
    }
}
