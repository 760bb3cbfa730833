//! What the stage has to know to go on.

use crate::autoencoder::CurvePoint;
use serde::{Deserialize, Serialize};

/// As it is saved.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Notes {
    /// The training so far.
    pub curve: Vec<CurvePoint>,
    /// Steps that each replica has taken.
    pub taken: Vec<u64>,
    /// Whether it came to its end and lies in its file.
    pub finished: bool,
}
