//! The library's errors as Python's: the sentence is the library's own.

use crate::interrupts;
use fedfunnel::Error;
use pyo3::exceptions::{PyMemoryError, PyOSError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;

/// The exception for an error: `ValueError` where what was given is at fault, and whatever a signal's handler or a
/// callback raised where that ended the work.
pub fn raise(error: Error) -> PyErr {
    let sentence = error.to_string();
    match error {
        Error::Interrupted | Error::Stopped { .. } => interrupts::raised(),
        Error::Io { .. } => PyOSError::new_err(sentence),
        Error::File { .. } | Error::Message { .. } => PyValueError::new_err(sentence),
        Error::OutOfMemory { .. } => PyMemoryError::new_err(sentence),
        error if error.is_usage() => PyValueError::new_err(sentence),
        _ => PyRuntimeError::new_err(sentence),
    }
}

/// A `ValueError` in the form of the library's.
pub fn value(field: &str, problem: impl std::fmt::Display, mend: &str) -> PyErr {
    PyValueError::new_err(format!("{field}: {problem}; {mend}"))
}

/// A `TypeError` in the same form.
pub fn kind(field: &str, problem: impl std::fmt::Display, mend: &str) -> PyErr {
    PyTypeError::new_err(format!("{field}: {problem}; {mend}"))
}

/// Does work of the library without the interpreter's lock.
pub fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> fedfunnel::Result<T> + Send) -> PyResult<T> {
    interrupts::begin();
    py.detach(work).map_err(raise)
}
