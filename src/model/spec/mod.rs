//! Model specs: TOML files, built in or the user's own.

mod autoencoder;
mod classifier;
mod layer;

pub use autoencoder::AutoencoderSpec;
pub use classifier::{ClassifierLayer, ClassifierSpec, Padding, Pair};
pub use layer::{ConvSpec, LayerSpec, NetworkLayer};

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The specs that come with the program.
const BUILT_IN: &[(&str, &str)] = &[
    ("mnist-mlp", include_str!("../../../models/mnist-mlp.toml")),
    ("cifar10-vgg3", include_str!("../../../models/cifar10-vgg3.toml")),
    ("ae-mnist", include_str!("../../../models/ae-mnist.toml")),
];

/// The names of the specs that come with the program.
pub fn built_in_names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// More parameters than this are a slip of the pen: 16 GiB for one replica without its moments.
const MOST_PARAMETERS: usize = 1 << 32;

/// Whether the product of these does not overflow, nor come near.
fn fits_in_memory(lengths: &[usize]) -> bool {
    let product = lengths.iter().try_fold(1usize, |product, length| product.checked_mul(*length));
    product.is_some_and(|product| product <= MOST_PARAMETERS)
}

/// Initial values of a layer; all of them uniform, so that they are the same on every adapter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Initializer {
    /// Weights and biases within 1/sqrt(I), as `torch.nn.Linear` starts.
    #[default]
    Torch,
    /// Weights within sqrt(6/I), biases zero (He et al. 2015).
    He,
    /// Weights within sqrt(6/(I+O)), biases zero (Glorot and Bengio 2010).
    Glorot,
}

/// A model's spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ModelSpec {
    /// Images to classes.
    Classifier(ClassifierSpec),
    /// Weights to a latent and back.
    Autoencoder(AutoencoderSpec),
}

impl Initializer {
    /// How far from zero initial weights and biases reach.
    fn bounds(self, fan_in: usize, fan_out: usize) -> (f32, f32) {
        let (inputs, outputs) = (fan_in as f64, fan_out as f64);
        match self {
            Self::Torch => {
                let bound = (1.0 / inputs.sqrt()) as f32;
                (bound, bound)
            }
            Self::He => ((6.0 / inputs).sqrt() as f32, 0.0),
            Self::Glorot => ((6.0 / (inputs + outputs)).sqrt() as f32, 0.0),
        }
    }
}

impl ModelSpec {
    /// A built-in spec by its name, or the user's own by its path.
    pub fn load(name_or_path: &str) -> Result<Self> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(name, _)| *name == name_or_path) {
            return Self::parse(text, Path::new(name));
        }
        let path = Path::new(name_or_path);
        if path.extension().is_some() || path.exists() {
            let text = crate::files::read_text(path)?;
            return Self::parse(&text, path);
        }
        let mend = match crate::files::nearest(name_or_path, built_in_names()) {
            Some(near) => format!("did you mean {near}?"),
            None => {
                format!("there are {}, or give a .toml file", built_in_names().collect::<Vec<_>>().join(", "))
            }
        };
        Err(Error::setting("model", format!("there is no model {name_or_path:?}"), mend))
    }

    /// Reads a spec and checks that it can be built.
    pub fn parse(text: &str, origin: &Path) -> Result<Self> {
        let spec: Self = crate::files::parse_toml(text, origin)?;
        spec.check(origin)?;
        Ok(spec)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Classifier(spec) => &spec.name,
            Self::Autoencoder(spec) => &spec.name,
        }
    }

    fn check(&self, origin: &Path) -> Result<()> {
        self.check_form(origin)?;
        let (field, total) = match self {
            Self::Classifier(spec) if !fits_in_memory(&spec.input) => ("input", None),
            Self::Classifier(spec) => ("layers", Some(spec.parameters())),
            Self::Autoencoder(spec) => ("widths", Some(spec.parameters())),
        };
        match total {
            Some(total) if (1..=MOST_PARAMETERS).contains(&total) => Ok(()),
            _ => Err(Error::setting(
                format!("{}: {field}", origin.display()),
                format!("a model of more than {MOST_PARAMETERS} parameters"),
                "use smaller numbers",
            )),
        }
    }

    fn check_form(&self, origin: &Path) -> Result<()> {
        let wrong = |field: &str, problem: String, mend: &str| {
            Err(Error::setting(format!("{}: {field}", origin.display()), problem, mend))
        };
        match self {
            Self::Classifier(spec) => spec.check().or_else(|e| match e {
                Error::Setting { field, problem, mend } => wrong(&field, problem, &mend),
                other => Err(other),
            }),
            Self::Autoencoder(spec) => spec.check().or_else(|e| match e {
                Error::Setting { field, problem, mend } => wrong(&field, problem, &mend),
                other => Err(other),
            }),
        }
    }

    /// This spec as a classifier's.
    pub fn classifier(self) -> Result<ClassifierSpec> {
        match self {
            Self::Classifier(spec) => Ok(spec),
            Self::Autoencoder(spec) => Err(Error::setting(
                "model",
                format!("{} is an autoencoder", spec.name),
                "name a classifier, such as mnist-mlp",
            )),
        }
    }

    /// This spec as an autoencoder's.
    pub fn autoencoder(self) -> Result<AutoencoderSpec> {
        match self {
            Self::Autoencoder(spec) => Ok(spec),
            Self::Classifier(spec) => Err(Error::setting(
                "model",
                format!("{} is a classifier", spec.name),
                "name an autoencoder, such as ae-mnist",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paper_s_models_have_the_paper_s_numbers_of_parameters() {
        let classifier = ModelSpec::load("mnist-mlp").unwrap().classifier().unwrap();
        assert_eq!(classifier.parameters(), 15_910);
        let prefix = |layer| match layer {
            NetworkLayer::Dense(layer) => layer.prefix,
            other => panic!("{other:?}"),
        };
        let names: Vec<_> = classifier.network().into_iter().map(prefix).collect();
        assert_eq!(names, ["0.", "2."]);
        let autoencoder = ModelSpec::load("ae-mnist").unwrap().autoencoder().unwrap();
        assert_eq!(autoencoder.parameters(), 1_034_182);
        assert_eq!(autoencoder.decoder_parameters(), 32 * 15_910 + 15_910);
        let names: Vec<_> = autoencoder.network().into_iter().map(|l| l.prefix).collect();
        assert_eq!(names, ["encoder.0.", "decoder.0."]);
    }

    #[test]
    fn a_latent_stays_the_narrowest_width() {
        let text = "name = \"deep\"\nkind = \"autoencoder\"\nwidths = [9, 5, 2, 5, 9]";
        let deep = ModelSpec::parse(text, Path::new("deep")).unwrap().autoencoder().unwrap();
        assert_eq!(deep.clone().with_latent("--latent", 4).unwrap().widths, [9, 5, 4, 5, 9]);
        for wrong in [0, 5, 6, 9, usize::MAX] {
            let error = deep.clone().with_latent("--latent", wrong).unwrap_err().to_string();
            assert!(error.contains("--latent") && error.contains("use 1 to 4"), "{error}");
        }
    }

    #[test]
    fn faults_in_a_spec_are_named() {
        for (text, words) in [
            ("name = \"x\"\nkind = \"autoencoder\"\nwidths = [8, 9, 8]", vec!["latent", "smaller"]),
            ("name = \"x\"\nkind = \"autoencoder\"\nwidths = [8, 2, 7]", vec!["8 in and 7 out"]),
            ("name = \"x\"\nkind = \"autoencoder\"\nwidhts = [8, 2, 8]", vec!["widhts", "widths"]),
            ("name = \"x\"\nkind = \"classifier\"\ninput = [1, 2, 3]\nlayers = []", vec!["layers"]),
            (
                "name = \"x\"\nkind = \"autoencoder\"\nwidths = [9999999999, 9999999998, 9999999999]",
                vec!["widths", "smaller"],
            ),
            (
                "name = \"x\"\nkind = \"classifier\"\ninput = [4294967296, 4294967296, 1]\n\
                 layers = [{ kind = \"dense\", outputs = 2 }]",
                vec!["input", "smaller"],
            ),
        ] {
            let error = ModelSpec::parse(text, Path::new("mine.toml")).unwrap_err().to_string();
            for word in words {
                assert!(error.contains(word) && error.contains("mine.toml"), "{error}");
            }
        }
    }
}
