//! An autoencoder's spec: a funnel of dense layers, or convolutions and their mirror image.

use super::convolutional::ConvFunnel;
use super::layer::Shape;
use super::limits::MOST_PARAMETERS;
use super::rates::Rates;
use super::{ConvSpec, Initializer, LayerSpec, NetworkLayer};
use crate::ops::Activation;
use crate::ops::conv::{Conv, ConvShape};
use crate::ops::dense::{Dense, RowsAre};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// An autoencoder's spec: a funnel of dense layers, or convolutions and their mirror image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoencoderSpec {
    /// Its name.
    pub name: String,
    /// Of dense layers: from the input over the latent to the output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
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
    /// One for each layer, in place of the three above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub activations: Vec<Activation>,
    /// Initial values.
    #[serde(default)]
    pub initializer: Initializer,
    /// Whether layers that narrow learn at a rate divided by their fan-in. One step of Adam moves each sum
    /// by about rate x fan-in, so with one rate for all a wide encoder overshoots where its decoder crawls.
    #[serde(default = "yes")]
    pub scale_rates: bool,
    /// Factors on the optimiser's rate, in place of those by fan-in.
    pub rates: Option<Rates>,
    /// Of convolutions, in place of `widths`.
    pub conv: Option<ConvFunnel>,
}

/// The fan-in up to which a layer that narrows learns at the full rate.
const FULL_RATE_FAN_IN: f32 = 32.0;

fn yes() -> bool {
    true
}

fn default_hidden_activation() -> Activation {
    Activation::Relu
}

impl AutoencoderSpec {
    /// Two linear layers, `inputs` to `latent` and back.
    pub fn linear(name: &str, inputs: usize, latent: usize) -> Self {
        Self {
            name: name.into(),
            widths: vec![inputs, latent, inputs],
            latent_activation: Activation::Linear,
            hidden_activation: Activation::Linear,
            output_activation: Activation::Linear,
            initializer: Initializer::default(),
            scale_rates: false,
            activations: Vec::new(),
            rates: None,
            conv: None,
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        match (&self.conv, self.widths.is_empty()) {
            (Some(conv), true) => conv.check()?,
            (None, false) => self.check_widths()?,
            (Some(_), false) => {
                let mend = "keep `widths` for dense layers or `conv` for convolutions";
                return Err(Error::setting("widths", "an autoencoder has either widths or conv", mend));
            }
            (None, true) => {
                let mend = "give the input, the latent and the output, as [15910, 32, 15910]";
                return Err(Error::setting("widths", "no widths", mend));
            }
        }
        self.check_layers("activations", "rates")
    }

    fn check_widths(&self) -> Result<()> {
        let refuse = |problem: String, mend: &str| Err(Error::setting("widths", problem, mend));
        let (first, last) = (self.widths[0], self.widths[self.widths.len() - 1]);
        if self.widths.len() < 3 || self.widths.contains(&0) {
            let problem = format!("{:?} is no funnel", self.widths);
            return refuse(problem, "give at least input, latent and output");
        }
        if first != last {
            let mend = "make the first and the last width the same";
            return refuse(format!("{first} in and {last} out"), mend);
        }
        if self.latent() >= first {
            let problem = format!("a latent of {} is not smaller than the input of {first}", self.latent());
            return refuse(problem, "use a smaller latent");
        }
        Ok(())
    }

    /// Refuses lists that do not fit the layers. The fields are where the user gave them.
    fn check_layers(&self, activations: &str, rates: &str) -> Result<()> {
        let layers = self.shapes().len();
        let given = self.activations.len();
        if given > 0 && given != layers {
            let problem = format!("{given} activations for the {layers} layers of {}", self.name);
            let mend = "give one for each layer of encoder and decoder, or leave `activations` out";
            return Err(Error::setting(activations, problem, mend));
        }
        match &self.rates {
            Some(given) => given.check(rates, &self.prefixes()),
            None => Ok(()),
        }
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
        self.conv.as_ref().map_or_else(|| self.widths[0], |conv| conv.inputs)
    }

    /// The place of the latent: that of the smallest width.
    fn latent_place(&self) -> usize {
        (0..self.widths.len()).min_by_key(|&place| self.widths[place]).unwrap_or(0)
    }

    /// Z
    pub fn latent(&self) -> usize {
        self.conv.as_ref().map_or_else(|| self.widths[self.latent_place()], ConvFunnel::latent)
    }

    /// How many of the layers are the encoder's.
    pub fn encoder_layers(&self) -> usize {
        self.conv.as_ref().map_or_else(|| self.latent_place(), ConvFunnel::encoder_layers)
    }

    /// All of its parameters.
    pub fn parameters(&self) -> usize {
        NetworkLayer::total_parameters(&self.network())
    }

    /// The parameters of its decoder: what a collaborator ships once.
    pub fn decoder_parameters(&self) -> usize {
        NetworkLayer::total_parameters(&self.network()[self.encoder_layers()..])
    }

    /// How many values of a sample lie on the device at once, at the widest place.
    pub fn widest(&self) -> usize {
        NetworkLayer::widest(&self.network())
    }

    /// The columns of the narrower of the two wide matrices, which are cut by rows where they do not fit one
    /// binding; nothing where the ends are convolutions, which are never cut.
    pub fn columns_of_ends(&self) -> Option<usize> {
        self.conv.is_none().then(|| self.widths[1].min(self.widths[self.widths.len() - 2]))
    }

    /// The same with the latent replaced. `field` is where the user gave it.
    pub fn with_latent(mut self, field: &str, latent: usize) -> Result<Self> {
        let narrowest = match &self.conv {
            Some(conv) => conv.features(),
            // The latent is the smallest width: a larger one would make another layer the latent.
            None => {
                let place = self.latent_place();
                let others = self.widths.iter().enumerate().filter(|(other, _)| *other != place);
                others.map(|(_, width)| *width).min().unwrap_or(0)
            }
        };
        if latent == 0 || latent >= narrowest {
            let problem = if self.conv.is_some() {
                format!("{} has {narrowest} features, and no latent of {latent}", self.name)
            } else {
                format!("a latent of {latent} does not fit {} with widths {:?}", self.name, self.widths)
            };
            return Err(Error::setting(field, problem, format!("use 1 to {}", narrowest.saturating_sub(1))));
        }
        let place = self.latent_place();
        match &mut self.conv {
            Some(conv) => conv.latent = Some(latent),
            None => self.widths[place] = latent,
        }
        self.check_layers(field, field)?;
        Ok(self)
    }

    /// The same with other widths between the input and the latent, and their mirror image in the decoder.
    /// `field` is where the user gave them.
    pub fn with_hidden(mut self, field: &str, hidden: &[usize]) -> Result<Self> {
        if self.conv.is_some() {
            let problem = format!("{} is made of convolutions", self.name);
            return Err(Error::setting(field, problem, "leave it out, or use an autoencoder with widths"));
        }
        let (inputs, latent) = (self.inputs(), self.latent());
        if let Some(wrong) = hidden.iter().find(|width| **width <= latent) {
            let problem = format!("a hidden width of {wrong} is not larger than the latent of {latent}");
            return Err(Error::setting(field, problem, "use larger widths, or a smaller --latent"));
        }
        let mirrored: Vec<_> = hidden.iter().rev().copied().collect();
        self.widths = [&[inputs], hidden, &[latent], &mirrored, &[inputs]].concat();
        if self.parameters() > MOST_PARAMETERS {
            let problem = format!("a model of more than {MOST_PARAMETERS} parameters");
            return Err(Error::setting(field, problem, "use smaller widths"));
        }
        self.check_layers(field, field)?;
        Ok(self)
    }

    /// The same with the latent, the widths around it, or both replaced, each with the name of where the user
    /// gave it.
    pub fn with_shape(
        self,
        latent_field: &str,
        latent: Option<usize>,
        hidden_field: &str,
        hidden: Option<&[usize]>,
    ) -> Result<Self> {
        match (latent, hidden) {
            (None, None) => Ok(self),
            (Some(latent), None) => self.with_latent(latent_field, latent),
            (None, Some(hidden)) => self.with_hidden(hidden_field, hidden),
            // Without hidden layers any latent fits, and with others the new one has to: none stand while it
            // changes.
            (Some(latent), Some(hidden)) => self
                .with_hidden(hidden_field, &[])?
                .with_latent(latent_field, latent)?
                .with_hidden(hidden_field, hidden),
        }
    }

    /// The same with other factors on the rate. `field` is where the user gave them.
    pub fn with_rates(mut self, field: &str, rates: Rates) -> Result<Self> {
        self.rates = Some(rates);
        self.check_layers("activations", field)?;
        Ok(self)
    }

    fn shapes(&self) -> Vec<Shape> {
        match &self.conv {
            Some(conv) => conv.shapes(),
            None => self.widths.windows(2).map(|pair| Shape::Dense(pair[0], pair[1])).collect(),
        }
    }

    fn activation(&self, place: usize, layers: usize) -> Activation {
        match self.activations.get(place) {
            Some(own) => *own,
            None if place + 1 == self.encoder_layers() => self.latent_activation,
            None if place + 1 == layers => self.output_activation,
            None => self.hidden_activation,
        }
    }

    /// What comes before the names of each layer's tensors: those of two `nn.Sequential` called encoder and
    /// decoder, activations being modules too.
    fn prefixes(&self) -> Vec<String> {
        let layers = self.shapes().len();
        let mut module = 0;
        let mut prefixes = Vec::new();
        for place in 0..layers {
            if place == self.encoder_layers() {
                module = 0;
            }
            let half = if place < self.encoder_layers() { "encoder" } else { "decoder" };
            prefixes.push(format!("{half}.{module}."));
            module += 1 + usize::from(self.activation(place, layers) != Activation::Linear);
        }
        prefixes
    }

    /// Factor on the rate of layer `place`. `fan_in` is there for layers that narrow.
    fn rate(&self, place: usize, prefix: &str, fan_in: Option<usize>) -> f32 {
        match (self.rates.as_ref().and_then(|rates| rates.of(place, prefix)), fan_in) {
            (Some(own), _) => own,
            (None, Some(fan_in)) if self.scale_rates => (FULL_RATE_FAN_IN / fan_in as f32).min(1.0),
            _ => 1.0,
        }
    }

    /// The layers, with the long side of each dense matrix as its rows.
    pub fn network(&self) -> Vec<NetworkLayer> {
        let (shapes, prefixes) = (self.shapes(), self.prefixes());
        let layers = shapes.len();
        let named = shapes.into_iter().zip(prefixes).enumerate();
        named
            .map(|(place, (shape, prefix))| {
                let activation = self.activation(place, layers);
                match shape {
                    Shape::Dense(inputs, outputs) => {
                        let narrows = inputs > outputs;
                        let rows_are = if narrows { RowsAre::Inputs } else { RowsAre::Outputs };
                        let rate_scale = self.rate(place, &prefix, narrows.then_some(inputs));
                        let layer = Dense { rate_scale, ..Dense::new(inputs, outputs, rows_are, activation) };
                        NetworkLayer::Dense(LayerSpec { prefix, layer, initializer: self.initializer })
                    }
                    Shape::Conv { segments, transposed } => {
                        let several = segments.len() > 1;
                        let segment = |(number, shape): (usize, ConvShape)| {
                            let rate_scale = self.rate(place, &prefix, (!transposed).then(|| shape.fan_in()));
                            let layer = Conv { rate_scale, ..Conv::new(shape, transposed, activation) };
                            let prefix = if several { format!("{prefix}{number}.") } else { prefix.clone() };
                            ConvSpec { prefix, layer, initializer: self.initializer }
                        };
                        NetworkLayer::Conv(segments.into_iter().enumerate().map(segment).collect())
                    }
                }
            })
            .collect()
    }
}
