//! Lets whoever opened a device break work on it off, between two submits.

use crate::{Error, Result};
use std::sync::Arc;

/// A question that is asked between submits: whether the work is to be broken off.
#[derive(Clone)]
pub struct Interrupt(Arc<dyn Fn() -> bool + Send + Sync>);

impl Interrupt {
    /// Asks `is_due`, on the thread that does the work. A quick answer costs nothing; one that takes long is to be given
    /// from time to time.
    pub fn new(is_due: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_due))
    }

    /// An error where the work is to be broken off.
    pub(super) fn check(&self) -> Result<()> {
        if (self.0)() { Err(Error::Interrupted) } else { Ok(()) }
    }
}

impl std::fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Interrupt")
    }
}
