//! The stages, the parts of strategies and the systems that a spec can name.

use super::strategy::Strategies;
use super::systems::Systems;
use crate::codec::Stages;

/// Those that come with the program, and any that are added.
#[derive(Clone, Default)]
pub struct Parts {
    /// What codecs are made of.
    pub stages: Stages,
    /// What strategies are made of.
    pub strategies: Strategies,
    /// What rounds can exchange in place of weights.
    pub systems: Systems,
}
