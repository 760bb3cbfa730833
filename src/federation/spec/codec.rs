//! What is on the wire.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// What a federation's updates are on their way to the aggregator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// The weights as they are.
    Raw,
    /// Codes of autoencoders.
    Autoencoder,
    /// Projections on the principal axes of the same snapshots: as many floats as the autoencoder's codes,
    /// or as many as the snapshots have axes.
    Pca,
}

impl Codec {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Autoencoder => "autoencoder",
            Self::Pca => "PCA",
        }
    }

    /// The name of its federation in the ledger, in metrics and in `summary.json`: the autoencoder's is the
    /// one that is called compressed there.
    pub fn run(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Autoencoder => "compressed",
            Self::Pca => "pca",
        }
    }

    /// Whether it is learned from logged weights.
    pub fn learns(self) -> bool {
        self != Self::Raw
    }

    /// Refuses lists that leave nothing to compare with.
    pub(super) fn check(codecs: &[Self]) -> Result<()> {
        if !codecs.contains(&Self::Raw) {
            let problem = "raw is missing, which all others are compared with";
            return Err(Error::setting("codecs", problem, "add it"));
        }
        let twice = codecs.iter().enumerate().find(|(place, codec)| codecs[..*place].contains(codec));
        match twice {
            Some((_, codec)) => {
                let problem = format!("{} is listed twice", codec.name().to_lowercase());
                Err(Error::setting("codecs", problem, "list it once"))
            }
            None => Ok(()),
        }
    }
}
