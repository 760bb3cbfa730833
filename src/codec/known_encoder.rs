//! Encoders that the aggregator has too.

use super::Kept;
use crate::Result;
use crate::gpu::Gpu;

/// The encoder of a stage whose decoder is not linear. What a code cannot say of the global model follows from that
/// model's own code, so that under `prior` the aggregator needs the encoder beside the decoder.
pub trait KnownEncoder {
    /// Bytes that ship it.
    fn payload_bytes(&self) -> usize;

    /// Those bytes. `kept` is the collaborator's.
    fn ship(&self, kept: &Kept) -> Result<Vec<u8>>;

    /// The aggregator's side of it: keeps the encoder beside the decoder that came with it.
    fn keep(&self, bytes: &[u8], kept: &mut Kept) -> Result<()>;

    /// What the encoders of these collaborators make of the same weights. What is kept is the aggregator's.
    fn codes(&self, gpu: &Gpu, whose: &[(u32, &Kept)], weights: &[f32]) -> Result<Vec<Vec<f32>>>;
}
