//! Progress of long work.

/// Shows progress. The library calls it, the command line draws bars.
pub trait Observer {
    /// A piece of work of `total` units of `unit` begins.
    fn begin(&mut self, what: &str, unit: &'static str, total: u64);
    /// So many more units are done.
    fn advance(&mut self, units: u64);
    /// A word about the current piece of work: a loss, an accuracy.
    fn note(&mut self, text: &str);
    /// The current piece of work is done.
    fn end(&mut self);
    /// Whether the work is to save its state and stop at the next point where it can.
    fn stop(&self) -> bool {
        false
    }
}

/// Shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Observer for Quiet {
    fn begin(&mut self, _: &str, _: &'static str, _: u64) {}
    fn advance(&mut self, _: u64) {}
    fn note(&mut self, _: &str) {}
    fn end(&mut self) {}
}
