//! The paper's figures, each as one run: a spec, and stages that train and measure. What they came to is put into words
//! by [`story`](crate::story), beside what the paper printed.
//!
//! There is one file for each kind of experiment and one for each stage that several kinds share. A kind
//! is a struct that is read from TOML ([`Kind`]); the experiments are specs in `models/experiments/`, each
//! with the three scales `smoke`, `laptop` and `paper` as tables laid over the rest.

mod autoencoder;
mod classifier;
mod codecs;
mod comparison;
mod compressor;
mod federation;
mod savings;
mod spec;
mod validation;

pub use crate::run::{Place, Run};
pub use codecs::{CodecsExperiment, JSON as COMPARE_JSON};
pub use spec::{Experiment, SCALES, list, usual_comparison};

use crate::Result;
use crate::data::DataDir;
use crate::report::Report;
use crate::run::Identity;
use serde::{Deserialize, Serialize};

/// What every experiment has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// What it shows, in a line.
    pub summary: String,
    /// What the paper printed, in a line.
    pub paper: String,
}

/// A kind of experiment.
pub trait Kind {
    /// Checks all that can be checked without a device.
    fn check(&self, data_dir: &DataDir) -> Result<()>;

    /// Adds what it depends on besides its settings: models and data.
    fn identify(&self, own: Identity, data_dir: &DataDir) -> Result<Identity>;

    /// Whether it trains anything.
    fn needs_device(&self) -> bool {
        true
    }

    /// Runs it, or goes on with it.
    fn run(&self, run: &mut Run<'_>) -> Result<Report>;
}

/// A report with what the run itself has to say: where it ran, and the command that repeats it.
fn signed(mut report: Report, run: &Run<'_>, seed: Option<u32>) -> Report {
    report.facts.extend(run.facts(seed));
    report.reproduce = run.place.command.to_string();
    report
}
