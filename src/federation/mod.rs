//! Federated rounds: collaborators, the aggregator, and every byte between them.

mod aggregate;
mod arrivals;
mod asynchronous;
mod attack;
mod clients;
mod clock;
mod down;
mod due;
mod echo;
mod final_models;
mod first_updates;
mod flow;
mod ledger;
mod logs;
mod losses;
mod participants;
mod parts;
mod play;
mod population;
mod prepass;
pub mod privacy;
mod results;
mod round;
mod scopes;
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
mod system_round;
mod systems;
mod test_sets;
mod timeline;
mod uplink;

pub use clients::{Clients, LocalSettings};
pub use final_models::{FinalModel, FinalModels, MODELS, write_models};
pub use first_updates::FirstUpdates;
pub use ledger::{Direction, Ledger, Rejected, Transfer};
pub use participants::Participants;
pub use parts::Parts;
pub use prepass::PREPASS_EPOCH;
pub use results::{FederationOutcome, GlobalTest, LocalEpoch, Outcome, RoundResult, Tested};
pub use round::play_round;
pub use simulation::{check, logged_snapshots, simulate, simulate_past_divergence};
pub use spec::{
    Asynchrony, AsynchronyKind, Attack, AttackKind, Below, Clock, CodecSpec, Downlink, Fate, Faults, Initial,
    LocalTests, LogNormal, Participation, Prepass, PrepassKind, Rules, Sampling, SimulationSpec, Speed,
    Staleness,
};
pub use state::{CODEC, Federation, FederationState};
pub use state_check::{SavedStage, StateCheck};
pub use strategy::{
    Adaptive, Arrived, Combine, CombineKind, Drift, Dynamic, DynamicServer, ExplainedPart, Local, LocalKind,
    LocalResult, Mean, Momentum, PartAbout, Plain, Preset, PrivateMean, Prox, Replace, Scaffold, Server,
    ServerKind, Strategies, Strategy, StrategyRound, StrategySpec,
};
pub use summary::{FILE as SUMMARY, RunSummary, Summary, write_summary};
pub use systems::{LocalJob, LocallyTrained, System, SystemContext, SystemKind, Systems};
pub use test_sets::TestSets;
pub use timeline::Timeline;
