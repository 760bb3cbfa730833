//! What all federations of a simulation have in common.

use super::clients::Clients;
use super::spec::SimulationSpec;
use super::test_sets::TestSets;

/// Who takes part in every federation of a simulation, and what tests their models.
pub struct Participants {
    /// What is run.
    pub spec: SimulationSpec,
    /// Who takes part.
    pub collaborators: Clients,
    /// What tests models.
    pub tests: TestSets,
}
