//! Systems in which rounds exchange something else than weights: masks over a random network, rankings, scalars along
//! shared directions. A system says what such values are, how collaborators come to them and how they become one; all
//! else of a federation is as it is for weights.

mod epochs;
mod fedpm;
mod frl;
mod hidenseek;
mod kind;
mod registry;
mod scores;
mod seeds;

pub use kind::SystemKind;
pub use registry::Systems;
pub(in crate::federation) use registry::built_in;

use super::strategy::Strategy;
use crate::Result;
use crate::codec::LocalData;
use crate::gpu::Gpu;
use crate::model::{ClassifierSpec, Layout, Optimizer};
use crate::training::Tally;

/// What a system is made for.
#[derive(Clone, Copy, Debug)]
pub struct SystemContext<'a> {
    /// The network, of P weights.
    pub classifier: &'a ClassifierSpec,
    /// The seed that all draws of the federation come from.
    pub seed: u64,
    /// How collaborators train where nothing else is said.
    pub optimizer: &'a Optimizer,
}

/// What rounds exchange in place of weights, and what becomes of it. It keeps nothing between rounds but what can be made
/// again: what has to be saved lies in its strategy.
pub trait System: Send {
    /// How the V values lie that the aggregator has of a model.
    fn layout(&self) -> Layout;

    /// What the first round begins with, `[V]`. Everybody can draw it.
    fn initial(&self) -> Vec<f32>;

    /// The weights that such values stand for, `[P]` in `state_dict` order: what is tested, and what a user takes away.
    fn weights(&self, gpu: &Gpu, values: &[f32]) -> Result<Vec<f32>>;

    /// Trains these collaborators from the round's values; gives what each came to, in their order. That depends on the
    /// collaborator and the round alone, not on who trains beside it.
    fn train(&mut self, job: &LocalJob<'_>) -> Result<Vec<LocallyTrained>>;

    /// What somebody sends whose update changes nothing, as long as an update at least. Attackers go from there.
    fn neutral(&self, start: &[f32]) -> Vec<f32> {
        start.to_vec()
    }

    /// Whether what arrived in a round goes down in the next one, in place of the values, to those that have the values
    /// that it changes, and nothing at all before the first round. Then an update is as many values as the first of the
    /// system's stages takes.
    fn echoes(&self) -> bool {
        false
    }

    /// How what arrives becomes the next round's values, before the first round.
    fn strategy(&self) -> Strategy;
}

/// Local training of some collaborators in a round.
#[derive(Clone, Copy, Debug)]
pub struct LocalJob<'a> {
    /// The round, from 1.
    pub round: u32,
    /// The seed that all draws of the federation come from.
    pub seed: u64,
    /// The device.
    pub gpu: &'a Gpu,
    /// What went down, `[V]`.
    pub start: &'a [f32],
    /// The collaborators, in the order of their ids.
    pub who: &'a [u32],
    /// Epochs to train.
    pub epochs: u64,
    /// Number of the first of them, which picks the order of the images.
    pub first_epoch: u64,
    /// What they train with.
    pub local: &'a LocalData<'a>,
}

/// What a collaborator has come to.
#[derive(Clone, Debug)]
pub struct LocallyTrained {
    /// What it sends, as many values as the system's stages take.
    pub sent: Vec<f32>,
    /// The values of its own model, `[V]`.
    pub own: Vec<f32>,
    /// Loss and accuracy on its images in each epoch.
    pub epochs: Vec<Tally>,
    /// Steps that it took.
    pub steps: u64,
}
