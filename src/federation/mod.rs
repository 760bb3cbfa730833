//! Federated rounds: collaborators, the aggregator, and every byte between them.

mod clients;
mod down;
mod due;
mod first_updates;
mod ledger;
mod logs;
mod participants;
mod parts;
mod population;
mod prepass;
mod results;
mod round;
mod setup;
mod shared_decoder;
mod simulation;
mod spec;
mod state;
mod state_check;
mod stop;
mod strategy;
mod sub_models;
mod summary;
mod test_sets;

pub use clients::{Clients, LocalSettings};
pub use first_updates::FirstUpdates;
pub use ledger::{Direction, Ledger, Transfer};
pub use participants::Participants;
pub use parts::Parts;
pub use results::{FederationOutcome, GlobalTest, LocalEpoch, Outcome, RoundResult, Tested};
pub use round::play_round;
pub use simulation::{check, logged_snapshots, simulate, simulate_past_divergence};
pub use spec::{
    CodecSpec, Downlink, Initial, LocalTests, Participation, Prepass, PrepassKind, Rules, Sampling,
    SimulationSpec,
};
pub use state::{CODEC, Federation, FederationState};
pub use state_check::{SavedStage, StateCheck};
pub use strategy::{
    Arrived, Combine, CombineKind, Drift, Local, LocalKind, LocalResult, Mean, Momentum, Plain, Preset,
    Replace, Server, ServerKind, Strategies, Strategy, StrategyRound, StrategySpec,
};
pub use summary::{FILE as SUMMARY, RunSummary, Summary, write_summary};
pub use test_sets::TestSets;
