//! What all federations of a simulation have in common.

use super::attack::Attackers;
use super::clients::Clients;
use super::spec::{SimulationSpec, Speed};
use super::test_sets::TestSets;
use crate::Result;
use crate::gpu::Gpu;

/// The collaborators of every federation of a simulation, and what tests their models.
pub struct Participants {
    /// The device.
    pub gpu: Gpu,
    /// What is run.
    pub spec: SimulationSpec,
    /// The collaborators.
    pub collaborators: Clients,
    /// What tests models.
    pub tests: TestSets,
    /// How fast each collaborator is, by id, where they have a clock.
    pub speeds: Option<Vec<Speed>>,
    /// Those that attack, if any.
    pub attackers: Option<Attackers>,
}

impl Participants {
    /// Of a simulation.
    pub fn new(gpu: &Gpu, spec: &SimulationSpec, collaborators: Clients, tests: TestSets) -> Result<Self> {
        let (seed, count) = (u64::from(spec.seed), spec.collaborators);
        let speeds = spec.clock.as_ref().map(|clock| clock.speeds(seed, count)).transpose()?;
        let attackers = spec.attack.as_ref().map(|attack| Attackers::new(attack, seed, count));
        Ok(Self { gpu: gpu.clone(), spec: spec.clone(), collaborators, tests, speeds, attackers })
    }
}
