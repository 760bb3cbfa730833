//! How a pipeline was learned, for reports.

use crate::autoencoder::CurvePoint;
use crate::autoencoder::small::SmallPoint;
use serde::{Deserialize, Serialize};

/// How a pipeline was learned; nothing for one that is not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// What is shipped to decode its updates.
    pub decoder: Decoder,
    /// How training went, for each collaborator.
    pub curves: Vec<Vec<FitPoint>>,
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

/// How far one collaborator's autoencoder is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FitPoint {
    /// Epochs trained.
    pub epoch: u64,
    /// Steps taken.
    pub steps: u64,
    /// Mean squared error of the standardised snapshots, averaged over the epochs since the point before.
    pub loss: f64,
    /// Error of the snapshots relative to what their mean leaves; 1 is "learned the mean only".
    pub relative_l2: f64,
    /// Part of the snapshots whose largest weight is where it was, where that was looked at.
    pub argmax_match: Option<f64>,
    /// Seconds spent training.
    pub seconds: f64,
}

impl From<&CurvePoint> for FitPoint {
    fn from(point: &CurvePoint) -> Self {
        let &CurvePoint { epoch, steps, loss, relative_l2, argmax_match, seconds, .. } = point;
        Self { epoch, steps, loss, relative_l2, argmax_match: Some(argmax_match), seconds }
    }
}

impl From<&SmallPoint> for FitPoint {
    fn from(point: &SmallPoint) -> Self {
        let &SmallPoint { epoch, steps, loss, relative_l2, argmax_match, seconds, .. } = point;
        Self { epoch, steps, loss, relative_l2, argmax_match, seconds }
    }
}
