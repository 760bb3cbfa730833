//! Autoencoders of several kinds and sizes on the same snapshots: dense against convolutional, and the
//! error over latent sizes and depths.

mod measure;
mod story;

use super::classifier::ClassifierStage;
use super::compressor::{AutoencoderStage, log_curve};
use super::{Header, Kind, Run};
use crate::autoencoder::CurvePoint;
use crate::autoencoder::small::Space;
use crate::codec::Costs;
use crate::data::DataDir;
use crate::model::Optimizer;
use crate::report::{Report, slug};
use crate::run::Identity;
use crate::{Error, Result};
use measure::{Measure, Measured};
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
    pub autoencoder: AutoencoderStage,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Floats of codes, in place of the common ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latents: Option<Vec<usize>>,
    /// Widths between input and latent, in place of the common ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<Vec<usize>>,
    /// Where it is trained, in place of the common space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<Space>,
    /// How long it is trained, in place of the common epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
    /// Its learning rate, in place of the common one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lr: Option<f32>,
}

/// One autoencoder of the comparison.
struct Variant {
    family: String,
    /// Of its stage and its files.
    key: String,
    stage: AutoencoderStage,
}

/// What one autoencoder came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Trained {
    curve: Vec<CurvePoint>,
    measured: Measured,
}

/// What one autoencoder came to, and what it costs.
struct Outcome {
    family: String,
    costs: Costs,
    trained: Trained,
}

impl Family {
    fn stage(&self, common: &AutoencoderStage, latent: Option<usize>) -> AutoencoderStage {
        let own = self.clone();
        AutoencoderStage {
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
    fn variants(&self) -> Result<Vec<Variant>> {
        let mut variants = Vec::new();
        for family in &self.families {
            let latents = family.latents.as_ref().unwrap_or(&self.latents);
            let latents: Vec<_> =
                if latents.is_empty() { vec![None] } else { latents.iter().copied().map(Some).collect() };
            for latent in latents {
                let size = latent.map_or(String::new(), |latent| format!("-{latent}"));
                let key = format!("autoencoder-{}{size}", slug(&family.name));
                let stage = family.stage(&self.autoencoder, latent);
                variants.push(Variant { family: family.name.clone(), key, stage });
            }
        }
        let mut keys = HashSet::new();
        match variants.iter().find(|variant| !keys.insert(variant.key.clone())) {
            None if variants.is_empty() => {
                let mend = "name one, such as [[families]] name = \"dense\"";
                Err(Error::setting("families", "there is nothing to compare", mend))
            }
            None => Ok(variants),
            Some(twice) => Err(Error::setting(
                "families",
                format!("{} is there twice", twice.key),
                "give each its own name, and each size once",
            )),
        }
    }

    fn check_all(&self, parameters: usize) -> Result<Vec<Variant>> {
        self.each(|variant| variant.stage.check(parameters).map(drop))
    }

    /// Every autoencoder, each of which passes a check.
    fn each(&self, check: impl Fn(&Variant) -> Result<()>) -> Result<Vec<Variant>> {
        let variants = self.variants()?;
        for variant in &variants {
            check(variant).map_err(|error| match error {
                Error::Setting { field, problem, mend } => {
                    Error::setting(format!("{field} of {}", variant.key), problem, mend)
                }
                other => other,
            })?;
        }
        Ok(variants)
    }
}

impl Kind for ComparisonExperiment {
    fn identify(&self, own: Identity, data_dir: &DataDir) -> Result<Identity> {
        let mut own = self.classifier.identify(own, data_dir)?;
        for variant in self.variants()? {
            own = variant.stage.identify(own)?;
        }
        Ok(own)
    }

    fn check(&self, data_dir: &DataDir) -> Result<()> {
        self.check_all(self.classifier.check_settings()?.parameters())?;
        self.classifier.check(data_dir).map(drop)
    }

    fn run(&self, run: &mut Run<'_>) -> Result<Report> {
        let trained = self.classifier.run(run, self.seed, |gpu, logged| {
            self.each(|variant| variant.stage.check_room(gpu, logged, self.seed)).map(drop)
        })?;
        let variants = self.check_all(trained.snapshots.width())?;
        let measure = Measure::new(&self.autoencoder, &trained)?;
        let mut outcomes = Vec::new();
        for (place, variant) in variants.iter().enumerate() {
            let outcome = variant.run(run, &measure, self.seed)?;
            run.log(&serde_json::json!({
                "stage": variant.key,
                "held_out_accuracies": outcome.trained.measured.accuracies,
                "costs": outcome.costs,
            }))?;
            outcomes.push(outcome);
            if place + 1 < variants.len() {
                // What there is of it is saved already.
                run.pause(0, |_| Ok(()))?;
            }
        }
        let floats: Vec<usize> = outcomes.iter().map(|outcome| outcome.costs.latent).collect();
        let plain = measure.principal_components(run, &floats)?;
        let references = measure.references()?;
        Ok(story::tell(self, run, &trained, &outcomes, &plain, &references))
    }
}

impl Variant {
    /// Trains and measures it, or reads what came of that. The autoencoder itself is not kept.
    fn run(&self, run: &mut Run<'_>, measure: &Measure<'_>, seed: u32) -> Result<Outcome> {
        let snapshots = measure.snapshots();
        let spec = self.stage.check(snapshots.width())?;
        let key = format!("{}-measured", self.key);
        let trained = match run.load::<Trained>(&key)? {
            Some((trained, _)) => {
                log_curve(run, &self.key, &trained.curve)?;
                trained
            }
            None => {
                let folder = run.place.folder.make_state()?.join(&self.key);
                let compressor = self.stage.run_as(run, (&self.key, &folder), snapshots, seed)?;
                let restored = compressor.restore(run, measure.held_out())?;
                let trained = Trained { measured: measure.of(&restored)?, curve: compressor.curve };
                run.save(&key, &trained, &[], |_| Ok(()))?;
                std::fs::remove_dir_all(&folder).map_err(Error::io("remove the folder", &folder))?;
                trained
            }
        };
        let costs = Costs::new(&spec, &trained.curve.last().copied().unwrap_or_default());
        Ok(Outcome { family: self.family.clone(), costs, trained })
    }
}
