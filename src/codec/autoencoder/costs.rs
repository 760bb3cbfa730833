//! What an autoencoder costs and what it gives for it.

use super::{CurvePoint, DecoderState};
use crate::model::AutoencoderSpec;
use serde::Serialize;

/// What an autoencoder costs and what it gives for it, alike for every family of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Costs {
    /// Its name.
    pub autoencoder: String,
    /// P
    pub inputs: usize,
    /// Z
    pub latent: usize,
    /// P / Z
    pub ratio: f64,
    /// All of its parameters.
    pub parameters: usize,
    /// Those of the decoder.
    pub decoder_parameters: usize,
    /// Bytes of the message that ships the decoder, means and scale with it.
    pub decoder_message_bytes: u64,
    /// Error of the training snapshots relative to what their mean leaves.
    pub relative_l2: f64,
    /// The same of the held-out snapshots.
    pub validation_relative_l2: Option<f64>,
}

impl Costs {
    /// Of an autoencoder that has come to `point`.
    pub fn new(spec: &AutoencoderSpec, point: &CurvePoint) -> Self {
        Self {
            autoencoder: spec.name.clone(),
            inputs: spec.inputs(),
            latent: spec.latent(),
            ratio: spec.inputs() as f64 / spec.latent() as f64,
            parameters: spec.parameters(),
            decoder_parameters: spec.decoder_parameters(),
            decoder_message_bytes: DecoderState::message_bytes(spec),
            relative_l2: point.relative_l2,
            validation_relative_l2: point.validation_relative_l2,
        }
    }

    /// Rounds after which the decoder has paid for itself, where every collaborator ships one.
    pub fn break_even_rounds(&self) -> f64 {
        self.decoder_message_bytes as f64 / (4 * (self.inputs - self.latent)) as f64
    }
}
