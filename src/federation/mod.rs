//! Federated rounds: collaborators, the aggregator, and every byte between them.

mod clients;
mod fit;
mod ledger;
mod logs;
mod participants;
mod population;
mod prepass;
mod results;
mod round;
mod simulation;
mod spec;
mod state;
mod story;
mod summary;
mod test_sets;
mod wire;

pub use clients::Clients;
pub use ledger::{Direction, Ledger, Transfer};
pub use participants::Participants;
pub use results::{
    Decoder, FederationOutcome, Fit, FitPoint, LocalEpoch, Null, Outcome, RoundResult, Tested,
};
pub use round::play_round;
pub use simulation::{check, simulate};
pub use spec::{AutoencoderSettings, Codec, LocalTests, Prepass, PrepassKind, SimulationSpec};
pub use state::FederationState;
pub use story::{PRINTED, simulation_report};
pub use summary::{FILE as SUMMARY, RunSummary, Summary, write_summary};
pub use test_sets::TestSets;
pub use wire::Wire;
