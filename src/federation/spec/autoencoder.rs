//! The collaborators' autoencoders, as a simulation's spec has them.

use crate::codec::autoencoder::small;
use crate::model::{AutoencoderSpec, ModelSpec, Optimizer};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The collaborators' autoencoders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoencoderSettings {
    /// Its spec.
    pub model: String,
    /// Where it is trained.
    #[serde(default)]
    pub space: Space,
    /// Floats of the code, in place of the spec's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latent: Option<usize>,
    /// Times that every snapshot is seen.
    pub epochs: usize,
    /// Snapshots per step; all of them where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// How it is trained.
    #[serde(default)]
    pub optimizer: Optimizer,
}

/// Where an autoencoder is trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Space {
    /// On the weights themselves.
    #[default]
    Wide,
    /// On coordinates in the span of the snapshots, in seconds. `adam` is span-adam there: Adam on the
    /// coordinates. The decoder is shipped in its factors where those are fewer bytes.
    Small,
}

impl AutoencoderSettings {
    pub(super) fn check(&self) -> Result<()> {
        let zeros = [("autoencoder.epochs", self.epochs == 0), ("autoencoder.batch", self.batch == Some(0))];
        if let Some((field, _)) = zeros.iter().find(|(_, is_zero)| *is_zero) {
            return Err(Error::setting(*field, "0 does nothing", "use 1 or more"));
        }
        self.optimizer.check("autoencoder.optimizer")
    }

    /// The shape, for a classifier of so many parameters.
    pub fn shape(&self, parameters: usize) -> Result<AutoencoderSpec> {
        let mut spec = ModelSpec::load(&self.model)?.autoencoder()?;
        if let Some(latent) = self.latent {
            spec = spec.with_latent("autoencoder.latent", latent)?;
        }
        spec.expect_inputs("autoencoder.model", parameters)?;
        if self.space == Space::Small {
            small::check(&spec, self.optimizer.kind).map_err(|error| match error {
                Error::Setting { problem, .. } => Error::setting(
                    "autoencoder.space",
                    problem,
                    "set it to wide, or choose another autoencoder or optimiser",
                ),
                other => other,
            })?;
        }
        Ok(spec)
    }
}
