//! Autoencoders of several kinds and sizes on the same snapshots: dense against convolutional, and the
//! error over latent sizes and depths.

mod measure;

use super::classifier::ClassifierStage;
use super::compressor::{self, log_curve};
use super::{Header, Kind, Run, signed};
use crate::autoencoder::check_curves;
use crate::autoencoder::small::Space;
use crate::autoencoder::{AutoencoderSettings, CurvePoint};
use crate::codec::Costs;
use crate::data::DataDir;
use crate::model::Optimizer;
use crate::report::{Report, slug};
use crate::run::Identity;
use crate::story::comparison::{Accuracies, ComparisonResult, Variant, comparison_report};
use crate::{Error, Result};
use measure::Measure;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Its spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComparisonExperiment {
    /// What it is.
    pub about: Header,
    /// Seed of everything.
    pub seed: u32,
    /// Floats of codes that every family is trained at; what its model has where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latents: Vec<usize>,
    /// Where the weights come from.
    pub classifier: ClassifierStage,
    /// What all autoencoders have in common.
    pub autoencoder: AutoencoderSettings,
    /// What is compared.
    pub families: Vec<Family>,
}

/// Autoencoders that differ in nothing but the floats of their codes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// What it is called.
    pub name: String,
    /// Its spec, in place of the common one.
    pub model: Option<String>,
    /// Floats of codes, in place of the common ones.
    pub latents: Option<Vec<usize>>,
    /// Widths between input and latent, in place of the common ones.
    pub hidden: Option<Vec<usize>>,
    /// Where it is trained, in place of the common space.
    pub space: Option<Space>,
    /// How long it is trained, in place of the common epochs.
    pub epochs: Option<usize>,
    /// Its learning rate, in place of the common one.
    pub lr: Option<f32>,
}

/// One autoencoder of the comparison, before it is trained.
struct Planned {
    family: String,
    /// Of its stage and its files.
    key: String,
    settings: AutoencoderSettings,
}

/// What one autoencoder came to, as it is saved.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Trained {
    curve: Vec<CurvePoint>,
    measured: Accuracies,
}

impl Family {
    fn settings(&self, common: &AutoencoderSettings, latent: Option<usize>) -> AutoencoderSettings {
        let own = self.clone();
        AutoencoderSettings {
            model: own.model.unwrap_or_else(|| common.model.clone()),
            latent: latent.or(common.latent),
            hidden: own.hidden.or_else(|| common.hidden.clone()),
            space: own.space.unwrap_or(common.space),
            epochs: own.epochs.unwrap_or(common.epochs),
            optimizer: Optimizer { lr: own.lr.unwrap_or(common.optimizer.lr), ..common.optimizer },
            ..common.clone()
        }
    }
}

impl ComparisonExperiment {
    /// Every autoencoder, family by family.
    fn planned(&self) -> Result<Vec<Planned>> {
        let mut planned = Vec::new();
        for family in &self.families {
            let latents = family.latents.as_ref().unwrap_or(&self.latents);
            let latents: Vec<_> =
                if latents.is_empty() { vec![None] } else { latents.iter().copied().map(Some).collect() };
            for latent in latents {
                let size = latent.map_or(String::new(), |latent| format!("-{latent}"));
                let key = format!("autoencoder-{}{size}", slug(&family.name));
                let settings = family.settings(&self.autoencoder, latent);
                planned.push(Planned { family: family.name.clone(), key, settings });
            }
        }
        let mut keys = HashSet::new();
        match planned.iter().find(|one| !keys.insert(one.key.clone())) {
            None if planned.is_empty() => {
                let mend = "name one, such as [[families]] name = \"dense\"";
                Err(Error::setting("families", "there is nothing to compare", mend))
            }
            None => Ok(planned),
            Some(twice) => {
                let mend = "give each its own name, and each size once";
                Err(Error::setting("families", format!("{} is there twice", twice.key), mend))
            }
        }
    }

    fn check_all(&self, parameters: usize) -> Result<Vec<Planned>> {
        self.each(|planned| compressor::check(&planned.settings, parameters).map(drop))
    }

    /// Every autoencoder, each of which passes a check.
    fn each(&self, check: impl Fn(&Planned) -> Result<()>) -> Result<Vec<Planned>> {
        let all = self.planned()?;
        for planned in &all {
            check(planned).map_err(|error| error.renamed(|field| format!("{field} of {}", planned.key)))?;
        }
        Ok(all)
    }
}

impl Kind for ComparisonExperiment {
    fn identify(&self, own: Identity, data_dir: &DataDir) -> Result<Identity> {
        let own = self.classifier.identify(own, data_dir)?;
        self.planned()?.iter().try_fold(own, |own, planned| own.with_model(&planned.settings.model))
    }

    fn check(&self, data_dir: &DataDir) -> Result<()> {
        self.check_all(self.classifier.check_settings()?.parameters())?;
        self.classifier.check(data_dir).map(drop)
    }

    fn run(&self, run: &mut Run<'_>) -> Result<Report> {
        let trained = self.classifier.run(run, self.seed, |gpu, logged| {
            self.each(|planned| compressor::check_room(&planned.settings, gpu, logged)).map(drop)
        })?;
        let all = self.check_all(trained.snapshots.width())?;
        let measure = Measure::new(&self.autoencoder, &trained)?;
        let mut variants = Vec::new();
        for (place, planned) in all.iter().enumerate() {
            let variant = planned.run(run, &measure, self.seed)?;
            run.log(&serde_json::json!({
                "stage": planned.key,
                "held_out_accuracies": variant.measured.accuracies,
                "costs": variant.costs,
            }))?;
            variants.push(variant);
            if place + 1 < all.len() {
                // It is saved already.
                run.pause(0, |_| Ok(()))?;
            }
        }
        let floats: Vec<usize> = variants.iter().map(|variant| variant.costs.latent).collect();
        let report = comparison_report(&ComparisonResult {
            variants,
            pca: measure.principal_components(run, &floats)?,
            original: measure.of(&measure.held_out)?,
            mean: measure.of_mean()?,
            printed: &self.about.paper,
        });
        let facts = trained.facts(None, self.autoencoder.hold_out);
        Ok(signed(Report { facts, ..report }, run, Some(self.seed)))
    }
}

impl Planned {
    /// Trains and measures it, or reads what an earlier start saved. The autoencoder itself is not kept.
    fn run(&self, run: &mut Run<'_>, measure: &Measure<'_>, seed: u32) -> Result<Variant> {
        let snapshots = &measure.trained.snapshots;
        let spec = compressor::check(&self.settings, snapshots.width())?;
        let key = format!("{}-measured", self.key);
        let trained = match run.load::<Trained>(&key)? {
            Some((trained, file)) => {
                let last = check_curves(&file, std::slice::from_ref(&trained.curve), &self.settings)?;
                let measured = trained.measured.accuracies.len();
                if last != self.settings.epochs as u64 || measured != measure.held_out.len() {
                    let problem = format!("{measured} snapshots were measured at epoch {last}");
                    return Err(file.damaged(problem));
                }
                log_curve(run, &self.key, &trained.curve)?;
                trained
            }
            None => {
                let folder = run.place.folder.make_state()?.join(&self.key);
                let compressor =
                    compressor::train_as(&self.settings, run, &self.key, &folder, snapshots, seed)?;
                let restored = compressor.restore(run, &measure.held_out)?;
                let trained = Trained { measured: measure.of(&restored)?, curve: compressor.curve };
                run.save(&key, &trained, &[], |_| Ok(()))?;
                std::fs::remove_dir_all(&folder).map_err(Error::io("remove the folder", &folder))?;
                trained
            }
        };
        let costs = Costs::new(&spec, &trained.curve.last().copied().unwrap_or_default());
        let Trained { curve, measured } = trained;
        Ok(Variant { family: self.family.clone(), costs, curve, measured })
    }
}
