//! Figures 8 and 9: collaborators with different images, and what every average does to them.

use super::printed::{Printed, printed_table};
use super::{Header, Kind, Run};
use crate::codec::PipelineSpec;
use crate::data::DataDir;
use crate::federation::{
    FederationOutcome, LocalTests, Outcome, Parts, RunSummary, SimulationSpec, Summary, check, simulate,
    simulation_report, write_summary,
};
use crate::report::{Report, format};
use crate::run::Identity;
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

/// The paper's federation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrintedFederation {
    /// Rounds.
    pub rounds: u32,
    /// Epochs that each collaborator trains in a round.
    pub local_epochs: u64,
    /// How many times smaller it calls an update.
    pub ratio: f64,
    /// Its savings ratio by its own formula, its decoders counted.
    pub savings_ratio: f64,
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
        report.tables.splice(0..0, coded.map(|coded| printed_table(self.printed(&outcome, coded))));
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
    fn printed(&self, outcome: &Outcome, coded: &FederationOutcome) -> Vec<Printed> {
        let (spec, printed) = (&self.federation, &self.printed);
        let summary = RunSummary::of(outcome, coded);
        let teeth = Teeth::of(outcome, coded);
        let losses: Vec<_> = (0..spec.collaborators)
            .map(|collaborator| {
                let own = coded.rounds.iter().flat_map(|round| &round.local_epochs);
                let mut own = own.filter(|epoch| epoch.collaborator as usize == collaborator);
                let first = own.next().map_or(f64::NAN, |epoch| epoch.train_loss);
                let last = own.next_back().map_or(first, |epoch| epoch.train_loss);
                format!("{} to {}", format::number(first, 3), format::number(last, 3))
            })
            .collect();
        let counted = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let schedule = |rounds: u32, epochs: u64| {
            format!("{} of {}", counted(u64::from(rounds), "round"), counted(epochs, "local epoch"))
        };
        let same = (printed.rounds, printed.local_epochs) == (spec.rounds, spec.local_epochs);
        vec![
            Printed {
                what: "Both collaborators train",
                paper: "yes".into(),
                ours: format!("training loss {}", losses.join(", and ")),
                why: "From the first local epoch to the last, collaborator by collaborator. A falling training loss is \
                      no proof that anything of use crosses the wire: see the null above."
                    .into(),
            },
            Printed {
                what: "The saw-tooth",
                paper: "a jump at each aggregation".into(),
                ours: format!(
                    "training loss rises at {} of {} averages, test loss at {} of {}",
                    teeth.train.0, teeth.train.1, teeth.test.0, teeth.test.1
                ),
                why: "Training loss: the epoch after an average beside the one before it. An average of models can be \
                      better on new images than each of them, so that test loss may fall where training loss rises."
                    .into(),
            },
            Printed {
                what: "Size of an update",
                paper: format!("{} times smaller", format::number(printed.ratio, 4)),
                ours: format!("{} times smaller", format::number(summary.ratio_per_message, 4)),
                why: "Here in bytes of whole messages, headers included.".into(),
            },
            Printed {
                what: "Savings ratio, decoders counted",
                paper: format!("{} by its formula", format::number(printed.savings_ratio, 3)),
                ours: format::number(summary.savings_ratio, 3),
                why: format!(
                    "The paper leaves the decoders out of its figures. Here each is {} bytes, and there are {}.",
                    format::count(summary.setup_bytes),
                    schedule(spec.rounds, spec.local_epochs)
                ),
            },
            Printed {
                what: "Schedule",
                paper: schedule(printed.rounds, printed.local_epochs),
                ours: schedule(spec.rounds, spec.local_epochs),
                why: if same { "The same.".into() } else { "A smaller scale; --scale paper is the whole.".into() },
            },
        ]
    }
}

/// How often a loss rises at an average, and at how many averages that was looked at.
struct Teeth {
    train: (usize, usize),
    test: (usize, usize),
}

impl Teeth {
    fn of(outcome: &Outcome, federation: &FederationOutcome) -> Self {
        let (mut train, mut test) = ((0, 0), (0, 0));
        let count = |counted: &mut (usize, usize), rises: bool| {
            counted.0 += usize::from(rises);
            counted.1 += 1;
        };
        for collaborator in 0..outcome.spec.collaborators {
            let grayscale = outcome.spec.grayscale.contains(&collaborator);
            let mut before: Option<f64> = None;
            for round in &federation.rounds {
                let mut own = round.local_epochs.iter().filter(|e| e.collaborator as usize == collaborator);
                let Some(first) = own.next() else { continue };
                let last = own.next_back().unwrap_or(first);
                if let Some(before) = before {
                    count(&mut train, first.train_loss > before);
                }
                if let Some(loss) = last.test_loss {
                    count(&mut test, round.like(grayscale).0 > loss);
                }
                before = Some(last.train_loss);
            }
        }
        Self { train, test }
    }
}
