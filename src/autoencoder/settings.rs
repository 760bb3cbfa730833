//! How collaborators' autoencoders are trained, as the table `autoencoder` of a spec has it.

use super::small::{self, Space};
use crate::model::{AutoencoderSpec, ModelSpec, Optimizer};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The collaborators' autoencoders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoencoderSettings {
    /// Its spec.
    pub model: String,
    /// Where it is trained. In the small space `adam` is span-adam, Adam on coordinates, and the decoder is shipped
    /// in its factors where those are fewer bytes.
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

impl AutoencoderSettings {
    /// Refuses what cannot be trained whatever the model is.
    pub fn check(&self) -> Result<()> {
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
        match small::refusal(&spec, &self.optimizer).filter(|_| self.space == Space::Small) {
            Some(problem) => {
                let mend = "set it to wide, or choose another autoencoder or optimiser";
                Err(Error::setting("autoencoder.space", problem, mend))
            }
            None => Ok(spec),
        }
    }
}
