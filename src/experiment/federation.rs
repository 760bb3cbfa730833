//! Figures 8 and 9: collaborators with different images, and what every average does to them.

use super::{Header, Kind, Run};
use crate::data::DataDir;
use crate::federation::{LocalTests, Parts, SimulationSpec, Summary, check, simulate, write_summary};
use crate::report::Report;
use crate::run::Identity;
use crate::story::federation_report;
use crate::story::imbalance::{PrintedFederation, imbalance_table};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Its spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FederationExperiment {
    /// What it is.
    pub about: Header,
    /// What is run.
    pub federation: SimulationSpec,
    /// What the paper ran.
    pub printed: PrintedFederation,
}

impl Kind for FederationExperiment {
    fn identify(&self, own: Identity, data_dir: &DataDir) -> Result<Identity> {
        self.federation.identify(own, &Parts::default(), data_dir).map_err(in_its_table)
    }

    fn check(&self, data_dir: &DataDir) -> Result<()> {
        let spec = &self.federation;
        let learns = spec.codecs.iter().any(|codec| codec.stages.names().any(|name| name == "autoencoder"));
        let needs = [
            // The paper's figures are about an autoencoder.
            (!learns, "codecs", "add \"autoencoder\""),
            (spec.local_tests() != LocalTests::Epoch, "local_tests", "set it to epoch"),
        ];
        if let Some((_, field, mend)) = needs.iter().find(|(missing, ..)| *missing) {
            let problem = "the figures cannot be drawn without it";
            return Err(in_its_table(Error::setting(*field, problem, *mend)));
        }
        check(spec, &Parts::default(), data_dir).map_err(in_its_table)
    }

    fn run(&self, run: &mut Run<'_>) -> Result<Report> {
        let gpu = run.gpu()?;
        let outcome = simulate(run, &self.federation, &Parts::default()).map_err(in_its_table)?;
        write_summary(run, &outcome, &Summary::of(&outcome, &gpu.adapter))?;
        // The paper's own method is what its figures are about, whatever stands beside it.
        let coded = outcome.federations.iter().find(|federation| !federation.learned.curves.is_empty());
        let mut report = federation_report(run, &outcome, coded.unwrap_or(outcome.raw()))?;
        let table = coded.map(|coded| imbalance_table(&outcome, coded, &self.printed));
        report.tables.splice(0..0, table);
        Ok(report)
    }
}

/// The field as it is called in the experiment.
fn in_its_table(error: Error) -> Error {
    let is_field = |field: &str| field.chars().all(|c| c.is_ascii_lowercase() || "_.".contains(c));
    error.renamed(|field| if is_field(&field) { format!("federation.{field}") } else { field })
}
