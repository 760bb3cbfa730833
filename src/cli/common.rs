//! What every verb understands, and when the program began.

use super::bars::Bars;
use clap::Args;
use fedfunnel::Error;
use fedfunnel::gpu::Gpu;
use std::sync::OnceLock;
use std::time::Instant;

/// What every verb understands.
#[derive(Args, Debug)]
pub struct Common {
    /// Print results only, no progress
    #[arg(long, short, global = true, display_order = 100)]
    pub quiet: bool,
}

impl Common {
    /// Progress for people.
    pub fn bars(&self) -> Bars {
        Bars::new(self.quiet)
    }

    /// Progress of work on this device, which goes into its trace as well.
    pub fn bars_of(&self, gpu: &Gpu) -> Bars {
        self.bars().tracing(gpu.trace())
    }
}

/// Refuses options that are 0 where that does nothing.
pub fn refuse_zeros(options: &[(&str, bool)]) -> fedfunnel::Result<()> {
    match options.iter().find(|(_, is_zero)| *is_zero) {
        Some((field, _)) => Err(Error::setting(*field, "0 does nothing", "use 1 or more")),
        None => Ok(()),
    }
}

/// When the program began.
static STARTED: OnceLock<Instant> = OnceLock::new();

/// The moment when the program began.
pub fn started() -> Instant {
    *STARTED.get_or_init(Instant::now)
}
