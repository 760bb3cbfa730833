//! What the aggregator does with the updates of a round, and what it asks of local training: a strategy is a
//! [`Combine`], a [`Server`] and a [`Local`] rule.

mod combine;
mod local;
mod registry;
mod server;
mod spec;

pub use combine::Mean;
pub use local::Plain;
pub use registry::{CombineKind, LocalKind, Preset, ServerKind, Strategies};
pub use server::{Momentum, Replace};
pub use spec::StrategySpec;

use crate::Result;
use crate::codec::{Kept, Values};
use crate::gpu::Gpu;

/// An update that arrived, decoded.
#[derive(Debug)]
pub struct Arrived {
    /// The collaborator.
    pub who: u32,
    /// How many images it trained on.
    pub samples: usize,
    /// Steps that its local training took.
    pub steps: u64,
    /// The weights that it came to.
    pub update: Values,
}

/// How updates become one.
pub trait Combine: Send {
    /// One set of weights of all that arrived, which are at least one.
    fn combine(&mut self, gpu: &Gpu, arrived: &[Arrived]) -> Result<Vec<f32>>;
}

/// What the global model becomes.
pub trait Server: Send {
    /// Moves the global model, given what the updates were combined to.
    fn step(&mut self, global: &mut [f32], combined: &[f32]);

    /// What it keeps between rounds, for checkpoints.
    fn kept(&mut self) -> &mut Kept;

    /// Refuses what a checkpoint has given it to keep, where it is none for a model of so many weights.
    fn check_kept(&mut self, parameters: usize) -> Result<()> {
        let _ = parameters;
        Ok(())
    }
}

/// What a strategy adds to local training: values beside the models, in messages of their own.
pub trait Local: Send {
    /// What the aggregator sends to every collaborator beside the global model.
    fn broadcast(&self) -> Option<Vec<f32>> {
        None
    }

    /// What a collaborator sends beside its update; `kept` is its own.
    fn report(&self, done: &LocalResult<'_>, kept: &mut Kept) -> Option<Vec<f32>> {
        let _ = (done, kept);
        None
    }

    /// Takes what collaborators sent, in the order of their ids.
    fn absorb(&mut self, reports: &[(u32, Vec<f32>)]) {
        let _ = reports;
    }

    /// What the aggregator keeps of it between rounds, for checkpoints.
    fn kept(&mut self) -> &mut Kept;

    /// Refuses what a checkpoint has given it to keep, where it is none for a model of so many weights.
    fn check_kept(&mut self, parameters: usize) -> Result<()> {
        let _ = parameters;
        Ok(())
    }
}

/// What a collaborator's local training came to.
#[derive(Clone, Copy, Debug)]
pub struct LocalResult<'a> {
    /// The collaborator.
    pub who: u32,
    /// The global model that it began with.
    pub global: &'a [f32],
    /// The weights that it came to.
    pub weights: &'a [f32],
    /// What was broadcast beside the global model.
    pub broadcast: Option<&'a [f32]>,
    /// Steps that it took.
    pub steps: u64,
}

/// The three parts of a strategy.
pub struct Strategy {
    /// How updates become one.
    pub combine: Box<dyn Combine>,
    /// What the global model becomes.
    pub server: Box<dyn Server>,
    /// What is added to local training.
    pub local: Box<dyn Local>,
}
