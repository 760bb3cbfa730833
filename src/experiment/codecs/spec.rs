//! A comparison of codecs as a spec says it.

use crate::experiment::Header;
use crate::federation::SimulationSpec;
use crate::{Error, Result, settings};
use serde::{Deserialize, Serialize};

/// Its spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodecsExperiment {
    /// What it is.
    pub about: Header,
    /// Bytes that the message of an update may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<u64>,
    /// The same as a part of a raw one: 400 leaves a 400th.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// How many seeds, from the federation's own on.
    #[serde(default = "usual_seeds")]
    pub seeds: u32,
    /// What is run with each seed. Of its codecs those that leave the option open which decides their bytes are given
    /// the largest value within the budget; raw updates are added, and raw ones with as many local epochs as tuned
    /// codes have.
    pub federation: SimulationSpec,
}

fn usual_seeds() -> u32 {
    3
}

impl CodecsExperiment {
    /// The simulation of a seed.
    pub(super) fn of_seed(&self, simulation: &SimulationSpec, number: u32) -> SimulationSpec {
        SimulationSpec { seed: self.federation.seed.wrapping_add(number), ..simulation.clone() }
    }

    /// Checks what says how much is run, and in how many bytes.
    pub(super) fn check_own(&self) -> Result<()> {
        settings::refuse_zeros(&[("seeds", self.seeds == 0), ("budget", self.budget == Some(0))])?;
        if self.budget.is_some() && self.ratio.is_some() {
            let problem = "budget and ratio both say how many bytes a message may have";
            return Err(Error::setting("ratio", problem, "leave one of them out"));
        }
        let stops = [
            ("federation.stop_at_accuracy", self.federation.stop_at_accuracy.is_some()),
            ("federation.patience", self.federation.patience.is_some()),
        ];
        if let Some((field, _)) = stops.iter().find(|(_, is_given)| *is_given) {
            let problem = "codecs are compared after the same rounds, and each would end after its own";
            return Err(Error::setting(*field, problem, "leave it out"));
        }
        match self.ratio.filter(|ratio| !(ratio.is_finite() && *ratio >= 1.0)) {
            Some(ratio) => {
                let problem = format!("a ratio of {ratio} leaves no bytes, or more than raw updates have");
                Err(Error::setting("ratio", problem, "use a number of 1 or more, such as 400"))
            }
            None => Ok(()),
        }
    }
}
