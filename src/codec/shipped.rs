//! What a decoder is made of as it is shipped, from sizes alone: for plans, before anything is learned.

use serde::Serialize;

/// Values of one kind in a shipped decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DecoderPart {
    /// What they are, as a plural.
    pub name: &'static str,
    /// How many, four bytes each. Stops at the largest number.
    pub floats: u64,
}

/// The payload that ships a decoder, by its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShippedDecoder {
    /// In the order in which they are sent.
    pub parts: Vec<DecoderPart>,
    /// Bytes before the first part.
    pub lead_bytes: u64,
}

impl ShippedDecoder {
    /// `decoder_parameters` parameters and nothing else. Those of one dense layer from `latent` floats to
    /// `parameters` weights are told apart.
    pub fn parameters_alone(parameters: u64, latent: u64, decoder_parameters: u64) -> Self {
        let weights = parameters.saturating_mul(latent);
        let parts = if weights.checked_add(parameters) == Some(decoder_parameters) {
            vec![part("weights", weights), part("biases", parameters)]
        } else {
            vec![part("parameters", decoder_parameters)]
        };
        Self { parts, lead_bytes: 0 }
    }

    /// The same with the means and the scale that make weights of its outputs: what `DecoderState` ships.
    pub fn dense(parameters: u64, latent: u64, decoder_parameters: u64) -> Self {
        let mut shipped = Self::parameters_alone(parameters, latent, decoder_parameters);
        shipped.parts.extend(standard(parameters));
        shipped
    }

    /// A decoder of one dense layer in the factors that `FactoredDecoder` ships in f32, learned by Adam from so many
    /// snapshots in the small space. (SGD's has (Z + 1)^2 coefficients and a seed of four bytes more.)
    pub fn factored(parameters: u64, latent: u64, snapshots: u32) -> Self {
        // Snapshots are centred, so that the last follows from the others.
        let rows = u64::from(snapshots.saturating_sub(1));
        let mut parts = vec![
            part("snapshot values", rows.saturating_mul(parameters)),
            part("coefficients", rows.saturating_mul(latent.saturating_add(1))),
        ];
        parts.extend(standard(parameters));
        // A byte says which parts there are, a LEB128 number how many rows.
        Self { parts, lead_bytes: 2 + u64::from(rows.max(1).ilog2()) / 7 }
    }

    /// All of its values.
    pub fn floats(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.floats))
    }

    /// Bytes without the message's header. Stops at the largest number.
    pub fn payload_bytes(&self) -> u64 {
        self.floats().saturating_mul(4).saturating_add(self.lead_bytes)
    }
}

fn part(name: &'static str, floats: u64) -> DecoderPart {
    DecoderPart { name, floats }
}

fn standard(parameters: u64) -> [DecoderPart; 2] {
    [part("means", parameters), part("scale", 1)]
}
