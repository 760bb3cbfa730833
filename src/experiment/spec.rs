//! The experiments that there are, and how one is read.

use super::{Header, Kind, autoencoder, codecs, comparison, federation, savings, validation};
use crate::settings;
use crate::{Error, Result, files, toml_place};
use serde::{Deserialize, Serialize};

/// The scales: within a minute on any machine, within half an hour on a laptop, the whole on a GPU.
pub const SCALES: [&str; 3] = ["smoke", "laptop", "paper"];

/// The specs that come with the program.
const BUILT_IN: &[(&str, &str)] = &[
    ("fig4-mnist-ae", include_str!("../../models/experiments/fig4-mnist-ae.toml")),
    ("fig5-mnist-validation", include_str!("../../models/experiments/fig5-mnist-validation.toml")),
    ("fig6-cifar-ae", include_str!("../../models/experiments/fig6-cifar-ae.toml")),
    ("fig7-cifar-validation", include_str!("../../models/experiments/fig7-cifar-validation.toml")),
    ("fig8-colour-imbalance", include_str!("../../models/experiments/fig8-colour-imbalance.toml")),
    (
        "fig10-savings-single-decoder",
        include_str!("../../models/experiments/fig10-savings-single-decoder.toml"),
    ),
    (
        "fig11-savings-many-decoders",
        include_str!("../../models/experiments/fig11-savings-many-decoders.toml"),
    ),
    ("conv-ae", include_str!("../../models/experiments/conv-ae.toml")),
    ("complexity", include_str!("../../models/experiments/complexity.toml")),
    ("compare-mnist", include_str!("../../models/experiments/compare-mnist.toml")),
    ("compare-cifar10", include_str!("../../models/experiments/compare-cifar10.toml")),
];

/// An experiment, with a scale chosen and all settings applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Experiment {
    /// An autoencoder in training.
    Autoencoder(autoencoder::AutoencoderExperiment),
    /// What a classifier makes of reconstructed weights.
    Validation(validation::ValidationExperiment),
    /// Autoencoders of several kinds and sizes.
    Comparison(comparison::ComparisonExperiment),
    /// Codecs in the same bytes.
    Codecs(Box<codecs::CodecsExperiment>),
    /// Collaborators with different images.
    Federation(Box<federation::FederationExperiment>),
    /// The formula of the savings.
    Savings(savings::SavingsExperiment),
}

/// The experiments that come with the program.
pub fn list() -> Result<Vec<Header>> {
    let headers = BUILT_IN.iter().map(|(name, _)| Ok(Experiment::load(name, None, &[])?.header().clone()));
    headers.collect()
}

/// A comparison of codecs that are still to be named, on a data set and with a classifier, `mnist` and its own where
/// nothing is said: as the built-in one of that data, at no scale and with no budget.
pub fn usual_comparison(
    data: Option<&str>,
    model: Option<&str>,
    values: &[String],
) -> Result<codecs::CodecsExperiment> {
    let is_colour = data.is_some_and(|name| name.starts_with("cifar10")) || model == Some("cifar10-vgg3");
    let name = if is_colour { "compare-cifar10" } else { "compare-mnist" };
    let (text, origin) = settings::find("NAME", BUILT_IN, "experiment", name)?;
    let mut root: toml::Table = files::parse_toml(&text, &origin)?;
    SCALES.iter().chain(&["kind", "ratio"]).for_each(|key| drop(root.remove(*key)));
    // A snapshot for each epoch is enough of them for any number of images.
    let usual = "about.name = \"compare\"\nfederation.name = \"compare\"\nfederation.grayscale = []\n\
                 federation.prepass.snapshot_every = \"epoch\"";
    settings::merge(&mut root, files::parse_toml(usual, &origin)?);
    settings::with_settings(&root, values)
}

impl Experiment {
    /// A built-in experiment by its name, or the user's own by its path, at a scale, with `key=value`
    /// settings applied. A spec without tables for scales is a resolved one; others are run at `laptop`
    /// by default.
    pub fn load(name_or_path: &str, scale: Option<&str>, values: &[String]) -> Result<Self> {
        let (text, origin) = settings::find("NAME", BUILT_IN, "experiment", name_or_path)?;
        let mut root: toml::Table = files::parse_toml(&text, &origin)?;
        let mut scales: Vec<_> =
            SCALES.iter().filter_map(|scale| root.remove(*scale).map(|table| (*scale, table))).collect();
        if scales.is_empty() {
            if let Some(scale) = scale {
                let problem = format!("{name_or_path} has no table `{scale}`");
                return Err(Error::setting("--scale", problem, "leave it out, or add that table"));
            }
            return settings::parse(&text, &origin, values);
        }
        let wanted = scale.unwrap_or("laptop");
        let place = scales.iter().position(|(name, _)| *name == wanted).ok_or_else(|| {
            let there: Vec<_> = scales.iter().map(|(name, _)| *name).collect();
            let problem = format!("{name_or_path} has no table `{wanted}`");
            Error::setting("--scale", problem, format!("use {}", there.join(", ")))
        })?;
        match scales.swap_remove(place).1 {
            toml::Value::Table(table) => settings::merge(&mut root, table),
            _ => {
                let field = format!("{}: {wanted}", origin.display());
                return Err(Error::setting(field, "it is no table", format!("write [{wanted}]")));
            }
        }
        // What is wrong with the spec itself is not blamed on a setting.
        root.clone().try_into::<Self>().map_err(|error| {
            // Line numbers are those of the file, in which a scale's own values are in its table.
            let line = toml_place::culprit::<Self>(&root, error.message()).and_then(|path| {
                let of_scale = [&[toml_place::Step::Key(wanted.into())], &path[..]].concat();
                toml_place::line_of(&text, &of_scale).or_else(|| toml_place::line_of(&text, &path))
            });
            files::toml_error(&error, line, &origin)
        })?;
        settings::with_settings(&root, values)
    }

    /// The spec as TOML, every default filled in.
    pub fn to_toml(&self) -> Result<String> {
        settings::to_toml(self)
    }

    /// What it is.
    pub fn header(&self) -> &Header {
        match self {
            Self::Autoencoder(spec) => &spec.about,
            Self::Validation(spec) => &spec.about,
            Self::Comparison(spec) => &spec.about,
            Self::Codecs(spec) => &spec.about,
            Self::Federation(spec) => &spec.about,
            Self::Savings(spec) => &spec.about,
        }
    }

    /// What runs it.
    pub fn kind(&self) -> &dyn Kind {
        match self {
            Self::Autoencoder(spec) => spec,
            Self::Validation(spec) => spec,
            Self::Comparison(spec) => spec,
            Self::Codecs(spec) => &**spec,
            Self::Federation(spec) => &**spec,
            Self::Savings(spec) => spec,
        }
    }
}
