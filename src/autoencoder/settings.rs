//! How autoencoders are trained: the table `autoencoder` of specs, and the options of `fedfunnel autoencoder train`.

use super::small::{Space, rates_refusal, refusal};
use crate::model::{AutoencoderSpec, ModelSpec, Optimizer, Rates};
use crate::settings::refuse_zeros;
use crate::training::HoldOut;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Looks at a training whose settings do not say how often.
const LOOKS: usize = 40;

/// The model of the table `autoencoder` that fits any classifier: two linear layers, to the latent and back.
pub const LINEAR: &str = "linear";

/// Floats of its code, where the table does not say.
const LINEAR_LATENT: usize = 32;

/// How autoencoders are trained.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoencoderSettings {
    /// Its spec; `linear` for two linear layers, whatever the classifier is.
    pub model: String,
    /// Floats of the code, in place of the spec's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latent: Option<usize>,
    /// Widths between the input and the latent, mirrored in the decoder, in place of the spec's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<Vec<usize>>,
    /// Where it is trained. In the small space `adam` is span-adam, Adam on coordinates, and a federation ships the
    /// decoder in its factors where those are fewer bytes.
    #[serde(default)]
    pub space: Space,
    /// Times that every snapshot is seen.
    pub epochs: usize,
    /// How often losses and errors are looked at, in epochs; 40 times in all where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look_every: Option<usize>,
    /// Every so many snapshots one is held out for validation; 0 holds none out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hold_out: usize,
    /// Snapshots per step; all of them where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// The rule.
    #[serde(default)]
    pub optimizer: Optimizer,
    /// Learning rates of layers, in place of the optimiser's and what follows from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer_rates: Option<Rates>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Where the settings were given, for the words of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the table `autoencoder` of a spec.
    Table,
    /// On the command line.
    CommandLine,
}

impl Source {
    /// What the user calls a field: `autoencoder.optimizer.lr`, or `--lr`.
    pub fn field(self, name: &str) -> String {
        match (self, name) {
            (Self::Table, _) => format!("autoencoder.{name}"),
            (Self::CommandLine, "look_every") => "--eval-every".into(),
            (Self::CommandLine, _) => {
                format!("--{}", name.trim_start_matches("optimizer.").replace('_', "-"))
            }
        }
    }
}

impl AutoencoderSettings {
    /// Refuses what the table `autoencoder` asks for and cannot be trained, whatever the model is.
    pub fn check(&self) -> Result<()> {
        self.check_from(Source::Table)
    }

    /// The same of settings from elsewhere.
    pub fn check_from(&self, source: Source) -> Result<()> {
        refuse_zeros(&[
            (&source.field("epochs"), self.epochs == 0),
            (&source.field("look_every"), self.look_every == Some(0)),
            (&source.field("batch"), self.batch == Some(0)),
        ])?;
        if self.hold_out == 1 {
            let mend = "use a larger number, or 0";
            return Err(Error::setting(source.field("hold_out"), "1 leaves nothing to train on", mend));
        }
        self.optimizer.check(match source {
            Source::Table => "autoencoder.optimizer",
            Source::CommandLine => "--",
        })
    }

    /// The shape that is asked for.
    pub fn shape_from(&self, source: Source) -> Result<AutoencoderSpec> {
        self.shaped(source, ModelSpec::load(&self.model)?.autoencoder()?)
    }

    /// The shape that is asked for, of what the named model is.
    fn shaped(&self, source: Source, spec: AutoencoderSpec) -> Result<AutoencoderSpec> {
        let (latent, hidden) = (source.field("latent"), source.field("hidden"));
        let mut spec = spec.with_shape(&latent, self.latent, &hidden, self.hidden.as_deref())?;
        if let Some(rates) = &self.layer_rates {
            let rates = rates.clone().times(1.0 / self.optimizer.lr);
            spec = spec.with_rates(&source.field("layer_rates"), rates)?;
        }
        if self.space == Space::Small {
            self.check_small(source, &spec)?;
        }
        Ok(spec)
    }

    /// The shape that the table `autoencoder` asks for, of a classifier of so many parameters.
    pub fn shape(&self, parameters: usize) -> Result<AutoencoderSpec> {
        if self.model == LINEAR {
            let latent = LINEAR_LATENT.min(parameters.saturating_sub(1)).max(1);
            let linear = AutoencoderSpec::linear(LINEAR, parameters, latent);
            return self.shaped(Source::Table, AutoencoderSpec { scale_rates: true, ..linear });
        }
        let spec = self.shape_from(Source::Table)?;
        spec.expect_inputs("autoencoder.model", parameters)?;
        Ok(spec)
    }

    fn check_small(&self, source: Source, spec: &AutoencoderSpec) -> Result<()> {
        if let Some(problem) = refusal(spec, &self.optimizer) {
            let mend = match source {
                Source::Table => "set it to wide, or choose another autoencoder or optimiser",
                Source::CommandLine => "use --space wide, or another autoencoder or optimiser",
            };
            return Err(Error::setting(source.field("space"), problem, mend));
        }
        match self.layer_rates.as_ref().and_then(|_| rates_refusal(&self.optimizer)) {
            Some(problem) => {
                let mend = match source {
                    Source::Table => "leave it out and set autoencoder.optimizer.lr, or use space = \"wide\"",
                    Source::CommandLine => {
                        "leave it out and give --lr, or use --optimizer sgd or --space wide"
                    }
                };
                Err(Error::setting(source.field("layer_rates"), problem, mend))
            }
            None => Ok(()),
        }
    }

    /// How often losses and errors are looked at, in epochs.
    pub fn look_every(&self) -> usize {
        self.look_every.unwrap_or(self.epochs.div_ceil(LOOKS)).max(1)
    }

    /// Whether the snapshot of this place is held out.
    pub fn is_held_out(&self, place: usize) -> bool {
        self.hold_out > 0 && (place + 1).is_multiple_of(self.hold_out)
    }

    /// The snapshots to train on, and those that are held out.
    pub fn split<T>(&self, snapshots: impl IntoIterator<Item = T>) -> (Vec<T>, Vec<T>) {
        HoldOut(self.hold_out).split(snapshots)
    }
}
