//! Signals while the device works: Python's handlers run between submits, and what they raise ends the work.

use fedfunnel::gpu::Interrupt;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

/// How often Python is asked: another thread may hold its lock for a while each time.
const EVERY: Duration = Duration::from_millis(20);

thread_local! {
    static RAISED: RefCell<Option<PyErr>> = const { RefCell::new(None) };
    static LAST: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// What a device asks between submits.
pub fn interrupt() -> Interrupt {
    Interrupt::new(is_due)
}

/// Lets Python's signal handlers run, now and then. Whether one of them raised something, or did so before and nobody has
/// [taken](raised) it.
pub fn is_due() -> bool {
    if RAISED.with_borrow(Option::is_some) {
        return true;
    }
    let is_recent = LAST.get().is_some_and(|last| last.elapsed() < EVERY);
    if is_recent {
        return false;
    }
    LAST.set(Some(Instant::now()));
    // An interpreter that is on its way out wants no more of the work.
    match Python::try_attach(|py| py.check_signals()) {
        Some(Ok(())) => false,
        Some(Err(error)) => {
            raise(error);
            true
        }
        None => true,
    }
}

/// Ends the work of this thread with what a callback raised.
pub fn raise(error: PyErr) {
    RAISED.with_borrow_mut(|raised| {
        raised.get_or_insert(error);
    });
}

/// What ended the work of this thread.
pub fn raised() -> PyErr {
    let raised = RAISED.with_borrow_mut(Option::take);
    raised.unwrap_or_else(|| PyKeyboardInterrupt::new_err("interrupted"))
}

/// Forgets what was raised too late to end anything.
pub fn begin() {
    RAISED.with_borrow_mut(|raised| *raised = None);
}
