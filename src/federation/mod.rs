//! Federated rounds: collaborators, the aggregator, and every byte between them.

mod collaborators;
mod ledger;
mod prepass;
mod rounds;
mod savings;
mod savings_story;
mod simulation;
mod spec;
mod story;
mod summary;

pub use collaborators::Collaborators;
pub use ledger::{Direction, Ledger, Transfer};
pub use rounds::{Played, RoundResult, Stretch, Wire, run_rounds};
pub use savings::{Decoders, Savings, exact_decoder};
pub use savings_story::{Over, savings_answer, savings_plot, spaced, tell_savings, whole};
pub use simulation::{Outcome, check, simulate};
pub use spec::{AutoencoderSettings, Prepass, PrepassKind, SimulationSpec};
pub use story::tell;
pub use summary::{RunSummary, Summary};
