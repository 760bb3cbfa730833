//! What all federations of a simulation have in common.

use super::clients::Clients;
use super::spec::SimulationSpec;
use super::test_sets::TestSets;
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
}
