//! How a pipeline was learned, for reports.

use crate::autoencoder::Curves;
use serde::{Deserialize, Serialize};

/// How a pipeline was learned; nothing for one that is not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// What is shipped to decode its updates.
    pub decoder: Decoder,
    /// How training went, for each collaborator.
    pub curves: Curves,
}

/// What a collaborator ships so that its updates can be decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decoder {
    /// Nothing.
    #[default]
    Nothing,
    /// The decoder's weights.
    Dense,
    /// What the decoder is made of: the snapshots, and what it takes of them.
    Factored,
    /// Principal axes.
    Axes,
}
