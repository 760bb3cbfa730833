//! An autoencoder's spec: a funnel of dense layers.

use super::{Initializer, LayerSpec};
use crate::ops::Activation;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

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

impl AutoencoderSpec {
    pub(super) fn check(&self) -> Result<()> {
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

    /// Refuses a model whose weights it does not take. `field` is where the user named the autoencoder.
    pub fn expect_inputs(&self, field: &str, parameters: usize) -> Result<()> {
        if self.inputs() == parameters {
            return Ok(());
        }
        let problem =
            format!("{} takes {} values, and the classifier has {parameters}", self.name, self.inputs());
        Err(Error::setting(field, problem, "name an autoencoder of that width"))
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
