//! What an autoencoder costs on the wire, and what it gives for it.

use super::message::message_bytes;
use crate::autoencoder::small::{FactoredDecoder, Precision};
use crate::autoencoder::{CurvePoint, DecoderState};
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
            decoder_message_bytes: message_bytes(DecoderState::payload_bytes(spec)),
            relative_l2: point.relative_l2,
            validation_relative_l2: point.validation_relative_l2,
        }
    }

    /// Rounds after which the decoder has paid for itself, where every collaborator ships one.
    pub fn break_even_rounds(&self) -> f64 {
        self.decoder_message_bytes as f64 / (4 * (self.inputs - self.latent)) as f64
    }
}

/// What shipping a decoder costs, once.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DecoderCost {
    /// dense, factored_f32 or factored_f16.
    pub decoder: &'static str,
    /// That of the basis, where it is factored.
    #[serde(skip)]
    pub precision: Option<Precision>,
    /// Bytes of its message.
    pub bytes: u64,
    /// Rounds after which it has paid for itself, where every collaborator ships one.
    pub break_even_rounds: f64,
}

/// The decoder's message in each form, against the updates' messages that codes replace.
pub fn decoder_costs(spec: &AutoencoderSpec, factored: Option<&FactoredDecoder>) -> Vec<DecoderCost> {
    let saved = 4 * (spec.inputs() - spec.latent());
    let cost = |decoder, precision, payload: usize| {
        let bytes = message_bytes(payload);
        let break_even_rounds = bytes as f64 / saved as f64;
        DecoderCost { decoder, precision, bytes, break_even_rounds }
    };
    let mut costs = vec![cost("dense", None, DecoderState::payload_bytes(spec))];
    if let Some(factored) = factored {
        for (name, precision) in [("factored_f32", Precision::F32), ("factored_f16", Precision::F16)] {
            costs.push(cost(name, Some(precision), factored.payload_bytes(precision)));
        }
    }
    costs
}
