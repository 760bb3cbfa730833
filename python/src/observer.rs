//! Progress of long work, told to a Python function.

use crate::interrupts;
use fedfunnel::progress::Observer;
use fedfunnel::{Error, Result};
use pyo3::prelude::*;
use std::time::{Duration, Instant};

/// How often units that were done are told of.
const EVERY: Duration = Duration::from_millis(100);

/// Calls back into Python from work without its lock; what that raises ends the work.
pub fn call(callback: impl FnOnce(Python<'_>) -> PyResult<()>) -> Result<()> {
    Python::attach(callback).map_err(|error| {
        interrupts::raise(error);
        Error::Interrupted
    })
}

/// Tells a function `progress(what, done, total, note)` of work, and lets signals stop it.
pub struct Told {
    progress: Option<Py<PyAny>>,
    what: String,
    done: u64,
    total: u64,
    last: Option<Instant>,
}

impl Told {
    pub fn new(progress: Option<Py<PyAny>>) -> Self {
        Self { progress, what: String::new(), done: 0, total: 0, last: None }
    }

    fn tell(&mut self, note: Option<&str>) {
        let Some(progress) = &self.progress else { return };
        self.last = Some(Instant::now());
        let said = (self.what.as_str(), self.done, self.total, note);
        // What it raises is kept, and `stop` says so at the next point where work can be stopped.
        let _ = call(|py| progress.call1(py, said).map(drop));
    }
}

impl Observer for Told {
    fn begin(&mut self, what: &str, _: &'static str, total: u64) {
        (self.what, self.done, self.total) = (what.into(), 0, total);
        self.tell(None);
    }

    fn advance(&mut self, units: u64) {
        self.done += units;
        if self.last.is_none_or(|last| last.elapsed() >= EVERY) {
            self.tell(None);
        }
    }

    fn note(&mut self, text: &str) {
        self.tell(Some(text));
    }

    fn end(&mut self) {
        self.tell(None);
    }

    fn stop(&self) -> bool {
        interrupts::is_due()
    }
}
