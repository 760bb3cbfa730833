//! Figures 4 and 6: an autoencoder in training.

use super::classifier::ClassifierStage;
use super::compressor::{self, show_errors};
use super::{Header, Kind, Run, signed};
use crate::Result;
use crate::autoencoder::{AutoencoderSettings, argmax};
use crate::data::DataDir;
use crate::report::Report;
use crate::run::Identity;
use crate::story::autoencoder::{ArgmaxMatch, AutoencoderResult, autoencoder_report};
use serde::{Deserialize, Serialize};

/// Its spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoencoderExperiment {
    /// What it is.
    pub about: Header,
    /// Seed of everything.
    pub seed: u32,
    /// Where the weights come from.
    pub classifier: ClassifierStage,
    /// What learns them.
    pub autoencoder: AutoencoderSettings,
    /// What the paper printed.
    pub printed: ArgmaxMatch,
}

impl Kind for AutoencoderExperiment {
    fn identify(&self, own: Identity, data_dir: &DataDir) -> Result<Identity> {
        self.classifier.identify(own, data_dir)?.with_model(&self.autoencoder.model)
    }

    fn check(&self, data_dir: &DataDir) -> Result<()> {
        compressor::check(&self.autoencoder, self.classifier.check_settings()?.parameters())?;
        self.classifier.check(data_dir).map(drop)
    }

    fn run(&self, run: &mut Run<'_>) -> Result<Report> {
        let trained = self
            .classifier
            .run(run, self.seed, |gpu, logged| compressor::check_room(&self.autoencoder, gpu, logged))?;
        let snapshots = &trained.snapshots;
        let compressor = compressor::train(&self.autoencoder, run, snapshots, self.seed)?;
        let restored = compressor.restore(run, &snapshots.rows())?;
        show_errors(run, snapshots, &restored);
        let axes = compressor::axes(&self.autoencoder, snapshots)?;
        let spec = &compressor.file.spec;
        let mean_place = argmax(compressor.standard.means.iter().copied());
        let mean_match = |held_out: bool| {
            let rows = snapshots.rows().into_iter().enumerate();
            let part: Vec<_> = rows.filter(|(p, _)| self.autoencoder.is_held_out(*p) == held_out).collect();
            let hits = part.iter().filter(|(_, row)| argmax(row.iter().copied()) == mean_place).count();
            hits as f64 / part.len().max(1) as f64
        };
        let report = autoencoder_report(&AutoencoderResult {
            inputs: spec.inputs(),
            latent: spec.latent(),
            curve: &compressor.curve,
            pca: axes.error(spec.latent().min(axes.rank())),
            mean: ArgmaxMatch { train: mean_match(false), validation: mean_match(true) },
            printed: self.printed,
        });
        let facts = trained.facts(Some(compressor.model()), self.autoencoder.hold_out);
        Ok(signed(Report { facts, ..report }, run, Some(self.seed)))
    }
}
