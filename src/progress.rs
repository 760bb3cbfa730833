//! Progress of long work.

/// A round of a federation that is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoundDone<'a> {
    /// The label of the federation's codec.
    pub label: &'a str,
    /// From 1.
    pub round: u32,
    /// How many there are at most.
    pub rounds: u32,
    /// Test accuracy of its global model (0 to 1), where it was tested.
    pub accuracy: Option<f64>,
    /// Bytes that the round sent, in both directions.
    pub bytes: u64,
}

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
    /// A round is done; those of a run that is gone on with are told again.
    fn round(&mut self, _: &RoundDone<'_>) {}
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
