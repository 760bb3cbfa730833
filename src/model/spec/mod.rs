//! Model specs: TOML files, built in or the user's own.

mod autoencoder;
mod classifier;
mod convolutional;
mod initializer;
mod layer;
mod limits;
mod rates;

pub use autoencoder::AutoencoderSpec;
pub use classifier::{ClassifierLayer, ClassifierSpec, Padding, Pair};
pub use convolutional::{ConvFunnel, FunnelLayer};
pub use initializer::Initializer;
pub use layer::{ConvSpec, LayerSpec, NetworkLayer};
pub use rates::Rates;

use crate::{Error, Result};
use limits::{MOST_PARAMETERS, fits_in_memory};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The specs that come with the program.
const BUILT_IN: &[(&str, &str)] = &[
    ("mnist-mlp", include_str!("../../../models/mnist-mlp.toml")),
    ("cifar10-vgg3", include_str!("../../../models/cifar10-vgg3.toml")),
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
        let (text, origin) = crate::settings::find_for("model", BUILT_IN, "model", name_or_path)?;
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
        self.check_form(origin)?;
        let (field, total) = match self {
            Self::Classifier(spec) if !fits_in_memory(&spec.input) => ("input", None),
            Self::Classifier(spec) => ("layers", Some(spec.parameters())),
            Self::Autoencoder(spec) => {
                (if spec.conv.is_some() { "conv" } else { "widths" }, Some(spec.parameters()))
            }
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
        let checked = match self {
            Self::Classifier(spec) => spec.check(),
            Self::Autoencoder(spec) => spec.check(),
        };
        checked.map_err(|error| match error {
            Error::Setting { field, problem, mend } => {
                Error::setting(format!("{}: {field}", origin.display()), problem, mend)
            }
            other => other,
        })
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
                format!("name an autoencoder: {}", built_in_autoencoders()),
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
        let names: Vec<_> = autoencoder.network().into_iter().map(prefix).collect();
        assert_eq!(names, ["encoder.0.", "decoder.0."]);
        let wide = ModelSpec::load("ae-cifar10").unwrap().autoencoder().unwrap();
        assert_eq!(wide.parameters(), 352_915_690);
        assert_eq!(wide.decoder_parameters(), 176_732_970);
        assert_eq!(format!("{:.1}", wide.inputs() as f64 / wide.latent() as f64), "1720.5");
    }

    #[test]
    fn convolutional_autoencoders_are_small_and_as_narrow_as_the_dense_ones() {
        for (name, dense, parameters, decoder) in [
            ("ae-conv-mnist", "ae-mnist", 17_540, 8_756),
            ("ae-conv-cifar10", "ae-cifar10", 562_416, 281_056),
        ] {
            let spec = ModelSpec::load(name).unwrap().autoencoder().unwrap();
            let dense = ModelSpec::load(dense).unwrap().autoencoder().unwrap();
            assert_eq!((spec.inputs(), spec.latent()), (dense.inputs(), dense.latent()), "{name}");
            assert_eq!((spec.parameters(), spec.decoder_parameters()), (parameters, decoder), "{name}");
            let layers = spec.network();
            let tensors = layers.iter().flat_map(NetworkLayer::tensors);
            let counted: usize = tensors.map(|(_, shape)| shape.iter().product::<usize>()).sum();
            assert_eq!(counted, parameters, "{name}");
            let latent = spec.clone().with_latent("--latent", 3).unwrap();
            assert_eq!((latent.latent(), latent.encoder_layers()), (3, 3), "{name}");
            assert_eq!(latent.network()[2].inputs(), spec.latent(), "{name}");
            // A file carries its spec as TOML.
            let text = toml::to_string(&ModelSpec::Autoencoder(latent.clone())).unwrap();
            assert_eq!(ModelSpec::parse(&text, Path::new(name)).unwrap(), ModelSpec::Autoencoder(latent));
        }
        assert_eq!(built_in_autoencoders(), "ae-mnist, ae-cifar10, ae-conv-mnist, ae-conv-cifar10");
    }

    /// The factors of `--layer-rates encoder=1e-7,decoder=3e-3` and of a list, on a rate of 1e-3.
    #[test]
    fn layers_learn_at_their_own_rates() {
        let rates = |spec: &AutoencoderSpec| -> Vec<f32> {
            let rate = |layer| match layer {
                NetworkLayer::Dense(layer) => layer.rate_scale,
                NetworkLayer::Conv(layers) => layers[0].rate_scale,
                other => panic!("{other:?}"),
            };
            spec.network().into_iter().map(rate).collect()
        };
        let wide = ModelSpec::load("ae-cifar10").unwrap().autoencoder().unwrap();
        assert_eq!(rates(&wide), [32.0 / 550_570.0, 1.0]);
        let given: Rates = "encoder=1e-7,decoder=3e-3".parse().unwrap();
        let own = wide.clone().with_rates("--layer-rates", given.times(1e3)).unwrap();
        assert_eq!(rates(&own), [1e-7 * 1e3, 3e-3 * 1e3]);
        let deep = wide.with_hidden("--hidden", &[512]).unwrap();
        assert_eq!(deep.widths, [550_570, 512, 320, 512, 550_570]);
        assert_eq!(rates(&deep), [32.0 / 550_570.0, 32.0 / 512.0, 1.0, 1.0]);
        let listed = deep.clone().with_rates("--layer-rates", Rates::Layers(vec![0.5, 2.0, 3.0, 4.0]));
        assert_eq!(rates(&listed.unwrap()), [0.5, 2.0, 3.0, 4.0]);
        let error = deep.with_rates("--layer-rates", Rates::Layers(vec![1.0; 2])).unwrap_err().to_string();
        assert!(error.contains("2 rates for 4 layers"), "{error}");
        let conv = ModelSpec::load("ae-conv-mnist").unwrap().autoencoder().unwrap();
        assert_eq!(rates(&conv), [32.0 / 784.0, 32.0 / 160.0, 1.0, 1.0]);
        let error = conv.with_hidden("--hidden", &[64]).unwrap_err().to_string();
        assert!(error.contains("convolutions"), "{error}");
    }

    #[test]
    fn hidden_widths_are_mirrored_and_larger_than_the_latent() {
        let text = "name = \"uneven\"\nkind = \"autoencoder\"\nwidths = [99, 64, 8, 99]\n\
                    activations = [\"tanh\", \"linear\", \"sigmoid\"]";
        let uneven = ModelSpec::parse(text, Path::new("uneven")).unwrap().autoencoder().unwrap();
        assert_eq!((uneven.encoder_layers(), uneven.latent(), uneven.decoder_parameters()), (2, 8, 891));
        // Its three activations would not fit two layers.
        let error = uneven.clone().with_hidden("--hidden", &[]).unwrap_err().to_string();
        assert!(error.contains("--hidden: 3 activations for the 2 layers of uneven"), "{error}");
        let plain = AutoencoderSpec { activations: Vec::new(), ..uneven };
        assert_eq!(plain.clone().with_hidden("--hidden", &[]).unwrap().widths, [99, 8, 99]);
        assert_eq!(
            plain.clone().with_hidden("--hidden", &[70, 9]).unwrap().widths,
            [99, 70, 9, 8, 9, 70, 99]
        );
        for wrong in [&[8][..], &[0], &[70, 3], &[usize::MAX]] {
            let error = plain.clone().with_hidden("--hidden", wrong).unwrap_err().to_string();
            assert!(error.contains("--hidden"), "{error}");
        }
    }

    #[test]
    fn faults_in_a_convolutional_spec_are_named() {
        let whole = "name = \"x\"\nkind = \"autoencoder\"\n[conv]\ninputs = 40\nlatent = 4\n\
                     segments = [[5, 6], [1, 10]]\n\
                     layers = [{ channels = 2, kernel = [2, 3], stride = [2, 3] }]";
        ModelSpec::parse(whole, Path::new("mine.toml")).unwrap();
        for (from, to, words) in [
            ("inputs = 40", "inputs = 41", vec!["conv.segments", "40 values", "41 weights"]),
            ("[1, 10]", "[0, 10]", vec!["conv.inputs", "zeros"]),
            ("[1, 10]", "[4294967296, 4294967296]", vec!["conv.segments", "too many"]),
            ("latent = 4", "latent = 20", vec!["conv.latent", "features"]),
            ("latent = 4", "latent = 0", vec!["conv.latent"]),
            ("channels = 2", "channels = 0", vec!["conv.layers[0].channels"]),
            ("channels = 2", "channels = 9", vec!["conv.layers", "not fewer"]),
            ("stride = [2, 3]", "stride = 0", vec!["conv.layers[0].stride"]),
            ("stride = [2, 3]", "stride = 4", vec!["conv.layers[0].kernel", "no smaller"]),
            (
                "layers = [{ channels = 2, kernel = [2, 3], stride = [2, 3] }]",
                "layers = []",
                vec!["conv.layers"],
            ),
            ("kernel", "kernal", vec!["kernal", "did you mean `kernel`"]),
            ("[conv]", "widths = [40, 4, 40]\n[conv]", vec!["widths", "conv"]),
            ("[conv]", "rates = [1.0]\n[conv]", vec!["rates", "1 rates for 4 layers"]),
            ("[conv]", "rates = { middle = 1.0 }\n[conv]", vec!["rates", "middle", "encoder.0"]),
            ("[conv]", "activations = [\"relu\"]\n[conv]", vec!["activations", "4 layers"]),
        ] {
            let text = whole.replacen(from, to, 1);
            assert_ne!(text, whole, "{from}");
            let error = ModelSpec::parse(&text, Path::new("mine.toml")).unwrap_err().to_string();
            assert!(!error.contains('\n') && error.contains("mine.toml"), "{error}");
            words.iter().for_each(|word| assert!(error.contains(word), "{to}: {error}"));
        }
        let wide = "name = \"x\"\nkind = \"autoencoder\"\n[conv]\ninputs = 550570\n\
                    layers = [{ channels = 2, kernel = 70000, stride = 70000 }]";
        let error = ModelSpec::parse(wide, Path::new("mine.toml")).unwrap_err().to_string();
        assert!(error.contains("too large a window"), "{error}");
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
