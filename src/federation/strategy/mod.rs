//! What the aggregator does with the updates of a round, and what it asks of local training: a strategy is a
//! [`Combine`], a [`Server`] and a [`Local`] rule.

mod combine;
mod kinds;
mod local;
mod registry;
mod rules;
mod server;
mod spec;

pub use combine::{Adaptive, Mean, PrivateMean};
pub use kinds::{CombineKind, LocalKind, PartAbout, ServerKind};
pub use local::{Dynamic, Plain, Prox, Scaffold};
pub use registry::{ExplainedPart, Preset, Strategies};
pub use rules::{Arrived, Combine, Local, LocalResult, Server, StrategyRound};
pub use server::{DynamicServer, Momentum, Replace};
pub use spec::StrategySpec;

pub use crate::training::Drift;

use crate::Result;
use crate::model::Optimizer;

/// The three parts of a strategy.
pub struct Strategy {
    /// How updates become one.
    pub combine: Box<dyn Combine>,
    /// What the global model becomes.
    pub server: Box<dyn Server>,
    /// What is added to local training.
    pub local: Box<dyn Local>,
}

impl Strategy {
    /// The global model becomes what updates are combined to, and local training is as it is.
    pub fn replacing(combine: impl Combine + 'static) -> Self {
        Self { combine: Box::new(combine), server: Box::<Replace>::default(), local: Box::<Plain>::default() }
    }

    /// Refuses local training that one of its parts cannot work with.
    pub fn check(&self, optimizer: &Optimizer) -> Result<()> {
        self.combine.check(optimizer)?;
        self.local.check(optimizer)
    }
}
