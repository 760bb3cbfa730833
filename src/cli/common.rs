//! What every verb understands, and when the program began.

use super::bars::Bars;
use clap::Args;
use fedfunnel::gpu::Gpu;
pub use fedfunnel::settings::refuse_zeros;
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

/// When the program began.
static STARTED: OnceLock<Instant> = OnceLock::new();

/// The moment when the program began.
pub fn started() -> Instant {
    *STARTED.get_or_init(Instant::now)
}
