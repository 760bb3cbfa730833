//! A point on the curve of a training.

use serde::{Deserialize, Serialize};

/// How far one collaborator's autoencoder is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Epochs trained.
    pub epoch: u64,
    /// Mean squared error of the standardised training snapshots, averaged over the epochs since the
    /// point before.
    pub loss: f64,
    /// The same of the held-out snapshots, as they come back now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_loss: Option<f64>,
    /// Error of the training snapshots relative to what their mean leaves; 1 is "learned the mean only".
    pub relative_l2: f64,
    /// The same of the held-out snapshots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_relative_l2: Option<f64>,
    /// Part of the training snapshots whose largest weight is where it was (the paper's "accuracy"), where that was
    /// looked at: it is known at full width only.
    pub argmax_match: Option<f64>,
    /// The same of the held-out snapshots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_argmax_match: Option<f64>,
    /// Steps taken.
    pub steps: u64,
    /// Seconds spent training, and before it taking products in the small space; looking excluded.
    pub seconds: f64,
}
