//! Model specs: TOML files, built in or the user's own.

use super::Activation;
use crate::data::{DataPair, ImageShape};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The specs that come with the program.
const BUILT_IN: &[(&str, &str)] = &[
    ("mnist-mlp", include_str!("../../models/mnist-mlp.toml")),
    ("ae-mnist", include_str!("../../models/ae-mnist.toml")),
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

/// A classifier's spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierSpec {
    /// Its name.
    pub name: String,
    /// Channels, height, width.
    pub input: [usize; 3],
    /// From the input on.
    pub layers: Vec<ClassifierLayer>,
}

/// A layer of a classifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum ClassifierLayer {
    /// Every input to every output.
    Dense {
        /// O
        outputs: usize,
        /// What follows the sums.
        #[serde(default)]
        activation: Activation,
        /// Initial values.
        #[serde(default)]
        initializer: Initializer,
    },
}

/// An autoencoder's spec: a funnel of dense layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoencoderSpec {
    /// Its name.
    pub name: String,
    /// From the input over the latent to the output.
    pub widths: Vec<usize>,
    /// Of the layer that makes the latent. Linear by default: tanh saturates.
    #[serde(default)]
    pub latent_activation: Activation,
    /// Of the other hidden layers.
    #[serde(default = "default_hidden_activation")]
    pub hidden_activation: Activation,
    /// Of the last layer.
    #[serde(default)]
    pub output_activation: Activation,
    /// Initial values.
    #[serde(default)]
    pub initializer: Initializer,
    /// Whether layers that narrow learn at a rate divided by their fan-in. One step of Adam moves each sum
    /// by about rate x fan-in, so with one rate for all a wide encoder overshoots where its decoder crawls.
    #[serde(default = "yes")]
    pub scale_rates: bool,
}

/// The fan-in up to which a layer that narrows learns at the full rate.
const FULL_RATE_FAN_IN: f32 = 32.0;

/// Factor on the rate of a layer of an autoencoder.
fn narrowing_rate(inputs: usize, outputs: usize) -> f32 {
    if inputs > outputs { (FULL_RATE_FAN_IN / inputs as f32).min(1.0) } else { 1.0 }
}

fn yes() -> bool {
    true
}

fn default_hidden_activation() -> Activation {
    Activation::Relu
}

/// A dense layer as the network builds it.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerSpec {
    /// What comes before "weight" and "bias" in the names of its tensors.
    pub prefix: String,
    /// I
    pub inputs: usize,
    /// O
    pub outputs: usize,
    /// What follows the sums.
    pub activation: Activation,
    /// Initial values.
    pub initializer: Initializer,
    /// Whether the matrix lies transposed, [I, O]: wide layers that narrow.
    pub rows_are_inputs: bool,
    /// Factor on the optimiser's rate.
    pub rate_scale: f32,
}

impl LayerSpec {
    /// How far from zero initial weights and biases reach.
    pub fn bounds(&self) -> (f32, f32) {
        let (inputs, outputs) = (self.inputs as f64, self.outputs as f64);
        match self.initializer {
            Initializer::Torch => {
                let bound = (1.0 / inputs.sqrt()) as f32;
                (bound, bound)
            }
            Initializer::He => ((6.0 / inputs).sqrt() as f32, 0.0),
            Initializer::Glorot => ((6.0 / (inputs + outputs)).sqrt() as f32, 0.0),
        }
    }

    fn parameters(&self) -> usize {
        self.inputs * self.outputs + self.outputs
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
        let (field, layers) = match self {
            Self::Classifier(spec) if fits_in_memory(&spec.input) => ("layers", spec.network()),
            Self::Classifier(_) => ("input", Vec::new()),
            Self::Autoencoder(spec) => ("widths", spec.network()),
        };
        let total = layers.iter().try_fold(0usize, |sum, layer| {
            let weights = layer.inputs.checked_mul(layer.outputs)?;
            sum.checked_add(weights)?.checked_add(layer.outputs)
        });
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
            Self::Classifier(spec) => {
                if spec.layers.is_empty() || spec.input.contains(&0) {
                    return wrong(
                        "layers",
                        "nothing to build".into(),
                        "give an input and at least one layer",
                    );
                }
                for ClassifierLayer::Dense { outputs, .. } in &spec.layers {
                    if *outputs == 0 {
                        return wrong("layers.outputs", "a layer without outputs".into(), "use 1 or more");
                    }
                }
                let ClassifierLayer::Dense { activation, outputs, .. } = &spec.layers[spec.layers.len() - 1];
                if *activation != Activation::Linear {
                    return wrong(
                        "layers.activation",
                        "the last layer feeds the softmax and must be linear".into(),
                        "leave its activation out",
                    );
                }
                if *outputs < 2 || *outputs > 256 {
                    return wrong("layers.outputs", format!("{outputs} classes"), "use 2 to 256");
                }
                Ok(())
            }
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

impl ClassifierSpec {
    /// Refuses a data set that does not fit.
    pub fn check_data(&self, data: &DataPair) -> Result<()> {
        let shape = data.train.shape;
        let [channels, height, width] = self.input;
        let fits = ImageShape { channels, height, width } == shape && data.train.classes <= self.classes();
        if fits && data.test.shape == shape && data.test.classes <= self.classes() {
            return Ok(());
        }
        Err(Error::setting(
            "--data",
            format!(
                "{} has {shape} images of {} classes, and {} takes {channels}x{height}x{width} images of {}",
                data.train.name,
                data.train.classes.max(data.test.classes),
                self.name,
                self.classes()
            ),
            "choose a data set and a model that fit each other",
        ))
    }

    /// C
    pub fn classes(&self) -> usize {
        match self.layers.last() {
            Some(ClassifierLayer::Dense { outputs, .. }) => *outputs,
            None => 0,
        }
    }

    /// P
    pub fn parameters(&self) -> usize {
        self.network().iter().map(LayerSpec::parameters).sum()
    }

    /// The layers, named as the modules of an `nn.Sequential` that has its activations as modules.
    pub fn network(&self) -> Vec<LayerSpec> {
        let mut inputs = self.input.iter().product();
        let mut module = 0;
        let mut layers = Vec::new();
        for ClassifierLayer::Dense { outputs, activation, initializer } in &self.layers {
            layers.push(LayerSpec {
                prefix: format!("{module}."),
                inputs,
                outputs: *outputs,
                activation: *activation,
                initializer: *initializer,
                rows_are_inputs: false,
                rate_scale: 1.0,
            });
            inputs = *outputs;
            module += 1 + usize::from(*activation != Activation::Linear);
        }
        layers
    }
}

impl AutoencoderSpec {
    fn check(&self) -> Result<()> {
        let refuse = |problem: String, mend: &str| Err(Error::setting("widths", problem, mend));
        let (Some(&first), Some(&last)) = (self.widths.first(), self.widths.last()) else {
            return refuse(
                "no widths".into(),
                "give the input, the latent and the output, as [15910, 32, 15910]",
            );
        };
        if self.widths.len() < 3 || self.widths.contains(&0) {
            return refuse(
                format!("{:?} is no funnel", self.widths),
                "give at least input, latent and output",
            );
        }
        if first != last {
            return refuse(
                format!("{first} in and {last} out"),
                "make the first and the last width the same",
            );
        }
        if self.latent() >= first {
            return refuse(
                format!("a latent of {} is not smaller than the input of {first}", self.latent()),
                "use a smaller latent",
            );
        }
        Ok(())
    }

    /// P of the models whose weights it takes.
    pub fn inputs(&self) -> usize {
        self.widths[0]
    }

    /// Which width is the latent: the smallest.
    pub fn latent_place(&self) -> usize {
        (0..self.widths.len()).min_by_key(|&place| self.widths[place]).unwrap_or(0)
    }

    /// Z
    pub fn latent(&self) -> usize {
        self.widths[self.latent_place()]
    }

    /// How many of the layers are the encoder's.
    pub fn encoder_layers(&self) -> usize {
        self.latent_place()
    }

    /// All of its parameters.
    pub fn parameters(&self) -> usize {
        self.network().iter().map(LayerSpec::parameters).sum()
    }

    /// The parameters of its decoder: what a collaborator ships once.
    pub fn decoder_parameters(&self) -> usize {
        self.network()[self.encoder_layers()..].iter().map(LayerSpec::parameters).sum()
    }

    /// The same with the latent replaced. `field` is where the user gave it.
    pub fn with_latent(mut self, field: &str, latent: usize) -> Result<Self> {
        let place = self.latent_place();
        let others = self.widths.iter().enumerate().filter(|(other, _)| *other != place);
        // The latent is the smallest width: a larger one would make another layer the latent.
        let narrowest = others.map(|(_, width)| *width).min().unwrap_or(0);
        if latent == 0 || latent >= narrowest {
            return Err(Error::setting(
                field,
                format!("a latent of {latent} does not fit {} with widths {:?}", self.name, self.widths),
                format!("use 1 to {}", narrowest.saturating_sub(1)),
            ));
        }
        self.widths[place] = latent;
        Ok(self)
    }

    /// The layers, with the long side of each matrix as its rows. Names are those of two `nn.Sequential`
    /// called encoder and decoder, activations being modules too.
    pub fn network(&self) -> Vec<LayerSpec> {
        let latent = self.latent_place();
        let mut layers = Vec::new();
        let (mut part, mut module) = ("encoder", 0);
        for place in 1..self.widths.len() {
            if place == latent + 1 {
                (part, module) = ("decoder", 0);
            }
            let (inputs, outputs) = (self.widths[place - 1], self.widths[place]);
            let activation = match place {
                _ if place == latent => self.latent_activation,
                _ if place == self.widths.len() - 1 => self.output_activation,
                _ => self.hidden_activation,
            };
            layers.push(LayerSpec {
                prefix: format!("{part}.{module}."),
                inputs,
                outputs,
                activation,
                initializer: self.initializer,
                rows_are_inputs: inputs > outputs,
                rate_scale: if self.scale_rates { narrowing_rate(inputs, outputs) } else { 1.0 },
            });
            module += 1 + usize::from(activation != Activation::Linear);
        }
        layers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paper_s_models_have_the_paper_s_numbers_of_parameters() {
        let classifier = ModelSpec::load("mnist-mlp").unwrap().classifier().unwrap();
        assert_eq!(classifier.parameters(), 15_910);
        let names: Vec<_> = classifier.network().into_iter().map(|l| l.prefix).collect();
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
