//! Locks that outlive a panic.

use std::sync::{Mutex, MutexGuard};

/// Locks a mutex. A poisoned lock means that another thread panicked; what it guards is whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
