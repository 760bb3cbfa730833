//! The three holes that a strategy fills.

use crate::Result;
use crate::codec::{Kept, Values};
use crate::federation::privacy::PrivateNoise;
use crate::gpu::Gpu;
use crate::model::Optimizer;
use crate::training::Drift;

/// A round, as strategies see it.
#[derive(Clone, Copy, Debug)]
pub struct StrategyRound<'a> {
    /// Its number, from 1.
    pub number: u32,
    /// The seed that all draws of the federation come from.
    pub seed: u64,
    /// The device.
    pub gpu: &'a Gpu,
    /// The global model that it began with.
    pub global: &'a [f32],
    /// How collaborators train.
    pub optimizer: &'a Optimizer,
    /// How many collaborators there are, whether they take part or not.
    pub collaborators: usize,
    /// How many of them were asked to take part; where each comes by a chance of its own, how many that is in the mean.
    pub asked: usize,
    /// How many updates came and count, which is known before they are combined.
    pub arrived: usize,
}

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
    /// Loss of the round's global model on its own images, where the rule [wants it](Combine::wants_loss).
    pub loss: Option<f64>,
    /// How many times the global model has changed since it began; 0 where all wait for each other.
    pub staleness: u32,
}

/// How updates become one.
pub trait Combine: Send {
    /// One set of weights of all that arrived, which are at least one, unless the rule adds [noise](Self::noise).
    fn combine(&mut self, round: &StrategyRound<'_>, arrived: &[Arrived]) -> Result<Vec<f32>>;

    /// What it keeps between rounds, for checkpoints.
    fn kept(&mut self) -> &mut Kept;

    /// Refuses what a checkpoint has given it to keep, where it is none for a model of so many weights.
    fn check_kept(&mut self, parameters: usize) -> Result<()> {
        let _ = parameters;
        Ok(())
    }

    /// Whether collaborators send the loss of the global model on their own images beside their updates.
    fn wants_loss(&self) -> bool {
        false
    }

    /// The noise that it adds, where what it gives tells no more of a collaborator than the noise allows.
    fn noise(&self) -> Option<PrivateNoise> {
        None
    }

    /// Refuses local training by an optimiser that it is not defined for.
    fn check(&self, optimizer: &Optimizer) -> Result<()> {
        let _ = optimizer;
        Ok(())
    }
}

/// What the global model becomes.
pub trait Server: Send {
    /// Moves the global model, given what the updates were combined to.
    fn step(&mut self, round: &StrategyRound<'_>, global: &mut [f32], combined: &[f32]);

    /// What it keeps between rounds, for checkpoints.
    fn kept(&mut self) -> &mut Kept;

    /// Refuses what a checkpoint has given it to keep, where it is none for a model of so many weights.
    fn check_kept(&mut self, parameters: usize) -> Result<()> {
        let _ = parameters;
        Ok(())
    }
}

/// What a strategy adds to local training: a change of every step, and values beside the models, in messages of their
/// own.
pub trait Local: Send {
    /// What the aggregator sends to every collaborator beside the global model.
    fn broadcast(&self) -> Option<Vec<f32>> {
        None
    }

    /// What is added to the steps of a collaborator; `broadcast` is what went down beside the global model, and
    /// `kept` its own. A rule adds something for all of them or for none, and its factors are the same for all.
    fn drift(&self, optimizer: &Optimizer, broadcast: Option<&[f32]>, kept: &Kept) -> Option<Drift> {
        let _ = (optimizer, broadcast, kept);
        None
    }

    /// What a collaborator sends beside its update; `kept` is its own.
    fn report(&self, done: &LocalResult<'_>, kept: &mut Kept) -> Option<Vec<f32>> {
        let _ = (done, kept);
        None
    }

    /// Takes what collaborators sent, in the order of their ids.
    fn absorb(&mut self, round: &StrategyRound<'_>, reports: &[(u32, Vec<f32>)]) {
        let _ = (round, reports);
    }

    /// What the aggregator keeps of it between rounds, for checkpoints.
    fn kept(&mut self) -> &mut Kept;

    /// Refuses what a checkpoint has given it to keep, where it is none for a model of so many weights.
    fn check_kept(&mut self, parameters: usize) -> Result<()> {
        let _ = parameters;
        Ok(())
    }

    /// Refuses what a checkpoint has given a collaborator to keep, where it is none for a model of so many weights.
    fn check_collaborator(&self, parameters: usize, kept: &Kept) -> Result<()> {
        let _ = (parameters, kept);
        Ok(())
    }

    /// Refuses local training by an optimiser that it is not defined for.
    fn check(&self, optimizer: &Optimizer) -> Result<()> {
        let _ = optimizer;
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
    /// How it trained.
    pub optimizer: &'a Optimizer,
}
