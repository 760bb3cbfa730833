//! How an update crosses the wire: messages, and the codecs that make and read their payloads.

pub mod autoencoder;
mod axes;
mod basis;
mod center;
mod message;
pub mod pca;
mod raw;

pub use message::{Message, MessageKind, push_number, take_number};
pub use raw::Raw;

use crate::Result;

/// The collaborators' side: all of a cohort's updates at once, since they lie side by side on the device.
pub trait UpdateEncoder {
    /// `weights[r]` are collaborator `r`'s P values in `state_dict` order; the payloads are what its
    /// message carries.
    fn encode(&mut self, weights: &[Vec<f32>]) -> Result<Vec<Vec<u8>>>;
}

/// The aggregator's side: it sees nothing but payloads.
pub trait UpdateDecoder {
    /// The average of the decoded updates, weighted by `samples` (FedAvg), P values in `state_dict` order.
    fn average(&mut self, payloads: &[Vec<u8>], samples: &[usize]) -> Result<Vec<f32>>;
}

/// f32 values as little-endian bytes.
pub fn floats_to_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Little-endian bytes as f32 values; `expected` of them.
pub fn bytes_to_floats(bytes: &[u8], expected: usize, what: &str) -> Result<Vec<f32>> {
    if bytes.len() != expected * 4 {
        return Err(crate::Error::message(
            format!("{what} has {} bytes where {} are due", bytes.len(), expected * 4),
            "use the same model and codec on both sides",
        ));
    }
    // Chunks of exactly four bytes always convert.
    Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}
