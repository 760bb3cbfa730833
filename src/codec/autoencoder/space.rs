//! Where an autoencoder is trained.

use serde::{Deserialize, Serialize};

/// The coordinates that training moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Space {
    /// The weights themselves.
    #[default]
    Wide,
    /// Coordinates in the span of the snapshots: see [`small`](super::small).
    Small,
}

impl std::str::FromStr for Space {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "wide" => Ok(Self::Wide),
            "small" => Ok(Self::Small),
            _ => Err(format!("{text:?} is no space; there are wide and small")),
        }
    }
}
