//! Figures 8 and 9: collaborators with different images, and what every average does to them.

use super::{Header, Kind, Run};
use crate::codec::PipelineSpec;
use crate::data::DataDir;
use crate::federation::{
    FederationOutcome, LocalTests, Outcome, Parts, RunSummary, SimulationSpec, Summary, check, simulate,
    simulation_report, write_summary,
};
use crate::report::Report;
use crate::run::Identity;
use crate::story::imbalance::{ImbalanceResult, LocalLosses, PrintedFederation, Teeth, imbalance_table};
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
        let needs = [
            (!spec.codecs.iter().any(is_learned), "codecs", "add \"autoencoder\""),
            (spec.local_tests != LocalTests::Epoch, "local_tests", "set it to epoch"),
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
        let mut report = simulation_report(run, &outcome)?;
        let coded = outcome.federations.iter().find(|federation| !federation.learned.curves.is_empty());
        report.tables.splice(0..0, coded.map(|coded| imbalance_table(&self.result(&outcome, coded))));
        Ok(report)
    }
}

/// Whether a codec has an autoencoder, which the paper's figures are about.
fn is_learned(codec: &PipelineSpec) -> bool {
    codec.names().any(|name| name == "autoencoder")
}

/// The field as it is called in the experiment.
fn in_its_table(error: Error) -> Error {
    let is_field = |field: &str| field.chars().all(|c| c.is_ascii_lowercase() || "_.".contains(c));
    match error {
        Error::Setting { field, problem, mend } if is_field(&field) => {
            Error::setting(format!("federation.{field}"), problem, mend)
        }
        other => other,
    }
}

impl FederationExperiment {
    fn result(&self, outcome: &Outcome, coded: &FederationOutcome) -> ImbalanceResult<'_> {
        let summary = RunSummary::of(outcome, coded);
        let losses = |collaborator: usize| {
            let own = coded.rounds.iter().flat_map(|round| &round.local_epochs);
            let mut own = own.filter(|epoch| epoch.collaborator as usize == collaborator);
            let first = own.next().map_or(f64::NAN, |epoch| epoch.train_loss);
            LocalLosses { first, last: own.next_back().map_or(first, |epoch| epoch.train_loss) }
        };
        let (mut training_teeth, mut test_teeth) = (Teeth::default(), Teeth::default());
        for collaborator in 0..self.federation.collaborators {
            let grayscale = self.federation.grayscale.contains(&collaborator);
            let mut before: Option<f64> = None;
            for round in &coded.rounds {
                let mut own = round.local_epochs.iter().filter(|e| e.collaborator as usize == collaborator);
                let Some(first) = own.next() else { continue };
                let last = own.next_back().unwrap_or(first);
                if let Some(before) = before {
                    training_teeth.count(first.train_loss > before);
                }
                if let Some(loss) = last.test_loss {
                    test_teeth.count(round.like(grayscale).0 > loss);
                }
                before = Some(last.train_loss);
            }
        }
        ImbalanceResult {
            losses: (0..self.federation.collaborators).map(losses).collect(),
            training_teeth,
            test_teeth,
            ratio_per_message: summary.ratio_per_message,
            savings_ratio: summary.savings_ratio,
            decoder_bytes: summary.setup_bytes,
            rounds: self.federation.rounds,
            local_epochs: self.federation.local_epochs,
            printed: &self.printed,
        }
    }
}
