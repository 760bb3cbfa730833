//! Model specs: TOML files, built in or the user's own.

mod autoencoder;
mod classifier;
mod convolutional;
mod filters;
mod initializer;
mod layer;
mod layout;
mod limits;
mod rates;

pub use autoencoder::AutoencoderSpec;
pub use classifier::{ClassifierLayer, ClassifierSpec, Padding, Pair};
pub use convolutional::{ConvFunnel, FunnelLayer};
pub use filters::Filters;
pub use initializer::Initializer;
pub use layer::{ConvSpec, LayerSpec, NetworkLayer};
pub use layout::{Layout, LayoutTensor};
pub use rates::Rates;

use crate::{Error, Result};
use limits::{MOST_PARAMETERS, fits_in_memory};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The specs that come with the program.
const BUILT_IN: &[(&str, &str)] = &[
    ("mnist-mlp", include_str!("../../../models/mnist-mlp.toml")),
    ("cifar10-vgg3", include_str!("../../../models/cifar10-vgg3.toml")),
    ("cifar10-tff", include_str!("../../../models/cifar10-tff.toml")),
    ("conv4", include_str!("../../../models/conv4.toml")),
    ("conv4-half", include_str!("../../../models/conv4-half.toml")),
    ("conv6", include_str!("../../../models/conv6.toml")),
    ("ae-mnist", include_str!("../../../models/ae-mnist.toml")),
    ("ae-cifar10", include_str!("../../../models/ae-cifar10.toml")),
    ("ae-conv-mnist", include_str!("../../../models/ae-conv-mnist.toml")),
    ("ae-conv-cifar10", include_str!("../../../models/ae-conv-cifar10.toml")),
];

/// The names of the specs that come with the program.
pub fn built_in_names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// The names of the autoencoders among them, as a list in words.
pub fn built_in_autoencoders() -> String {
    let is_autoencoder = |text: &str| text.contains("kind = \"autoencoder\"");
    let names = BUILT_IN.iter().filter(|(_, text)| is_autoencoder(text)).map(|(name, _)| *name);
    names.collect::<Vec<_>>().join(", ")
}

/// A model's spec.
///
/// ```
/// use fedfunnel::model::ModelSpec;
/// use std::path::Path;
///
/// let text = r#"
///     name = "mine"
///     kind = "classifier"
///     input = [1, 28, 28]
///
///     [[layers]]
///     kind = "dense"
///     outputs = 20
///     activation = "relu"
///
///     [[layers]]
///     kind = "dense"
///     outputs = 10
/// "#;
/// let mine = ModelSpec::parse(text, Path::new("mine.toml"))?.classifier()?;
/// assert_eq!((mine.parameters(), mine.classes()), (15_910, 10));
/// // Its tensors have the names of an `nn.Sequential`.
/// assert_eq!(mine.layout().tensors()[0].name, "0.weight");
/// # Ok::<(), fedfunnel::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ModelSpec {
    /// Images to classes.
    Classifier(ClassifierSpec),
    /// Weights to a latent and back.
    Autoencoder(AutoencoderSpec),
}

impl ModelSpec {
    /// A built-in spec by its name, or the user's own by its path.
    pub fn load(name_or_path: &str) -> Result<Self> {
        let (text, origin) = crate::settings::find("model", BUILT_IN, "model", name_or_path)?;
        Self::parse(&text, &origin)
    }

    /// Reads a spec and checks that it can be built.
    pub fn parse(text: &str, origin: &Path) -> Result<Self> {
        let spec: Self = crate::files::parse_toml(text, origin)?;
        spec.check(origin)?;
        Ok(spec)
    }

    /// The spec as TOML, every default filled in.
    pub fn to_toml(&self) -> Result<String> {
        crate::settings::to_toml(self)
    }

    /// A digest of all that it says.
    pub fn digest(&self) -> Result<String> {
        Ok(crate::digest::of_text(&self.to_toml()?))
    }

    fn check(&self, origin: &Path) -> Result<()> {
        let checked = match self {
            Self::Classifier(spec) => spec.check(),
            Self::Autoencoder(spec) => spec.check(),
        };
        let within = |field: &str| format!("{}: {field}", origin.display());
        checked.map_err(|error| error.renamed(|field| within(&field)))?;
        let is_small = |parameters: usize| (1..=MOST_PARAMETERS).contains(&parameters);
        let (field, fits) = match self {
            Self::Classifier(spec) if !fits_in_memory(&spec.input) => ("input", false),
            Self::Classifier(spec) => ("layers", is_small(spec.parameters())),
            Self::Autoencoder(spec) if spec.conv.is_some() => ("conv", is_small(spec.parameters())),
            Self::Autoencoder(spec) => ("widths", is_small(spec.parameters())),
        };
        if fits {
            return Ok(());
        }
        let problem = format!("a model of more than {MOST_PARAMETERS} parameters");
        Err(Error::setting(within(field), problem, "use smaller numbers"))
    }

    /// This spec as a classifier's.
    pub fn classifier(self) -> Result<ClassifierSpec> {
        match self {
            Self::Classifier(spec) => Ok(spec),
            Self::Autoencoder(spec) => {
                let problem = format!("{} is an autoencoder", spec.name);
                Err(Error::setting("model", problem, "name a classifier, such as mnist-mlp"))
            }
        }
    }

    /// This spec as an autoencoder's.
    pub fn autoencoder(self) -> Result<AutoencoderSpec> {
        match self {
            Self::Autoencoder(spec) => Ok(spec),
            Self::Classifier(spec) => {
                let mend = format!("name an autoencoder: {}", built_in_autoencoders());
                Err(Error::setting("model", format!("{} is a classifier", spec.name), mend))
            }
        }
    }
}
