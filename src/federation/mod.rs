//! Federated rounds: collaborators, the aggregator, and every byte between them.

mod collaborators;
mod deal;
mod fit;
mod ledger;
mod played;
mod prepass;
mod rounds;
mod savings;
mod savings_story;
mod simulation;
mod spec;
mod story;
mod summary;

pub(crate) use collaborators::Collaborators;
pub(crate) use deal::TestSets;
pub use deal::Tested;
pub use fit::{Decoder, Fit, FitPoint};
pub use ledger::{Direction, Ledger, Transfer};
pub(crate) use played::Played;
pub use rounds::RoundResult;
pub(crate) use rounds::{Wire, play_round};
pub use savings::{Decoders, Savings, exact_decoder};
pub use savings_story::{Over, savings_answer, savings_plot, spaced, tell_savings, whole};
pub(crate) use simulation::Shared;
pub use simulation::{FederationOutcome, Outcome, check, simulate};
pub use spec::{AutoencoderSettings, Codec, LocalTests, Prepass, PrepassKind, SimulationSpec};
pub use story::{PRINTED, tell};
pub use summary::{FILE as SUMMARY, RunSummary, Summary, leave};
