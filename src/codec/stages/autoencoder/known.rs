//! The encoders of collaborators at the aggregator, where decoders are not linear.

use super::Autoencoder;
use super::halves::{DECODER, ENCODER, Encoders, encoder_id, keep_encoder};
use crate::Result;
use crate::autoencoder::{DecoderState, Half};
use crate::bytes::{bytes_to_floats, floats_to_bytes};
use crate::codec::{Kept, KnownEncoder};
use crate::gpu::Gpu;
use crate::model::{Activation, NetworkLayer};

impl Autoencoder {
    /// Whether weights are a linear map of the code and an offset.
    pub(super) fn is_linear(&self) -> bool {
        Half::Decoder.layers(&self.shape).iter().all(|layer| match layer {
            NetworkLayer::Dense(layer) => layer.layer.activation == Activation::Linear,
            NetworkLayer::Conv(layers) => {
                layers.iter().all(|layer| layer.layer.activation == Activation::Linear)
            }
            NetworkLayer::Pool(_) => false,
        })
    }

    fn encoder_parameters(&self) -> usize {
        self.shape.parameters() - self.shape.decoder_parameters()
    }
}

/// Decoders that are not linear are shipped at full width, and encoders with them.
impl KnownEncoder for Autoencoder {
    fn payload_bytes(&self) -> usize {
        4 * self.encoder_parameters()
    }

    fn ship(&self, kept: &Kept) -> Result<Vec<u8>> {
        Ok(floats_to_bytes(kept.expect(ENCODER)?))
    }

    fn keep(&self, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        let parameters = bytes_to_floats(bytes, self.encoder_parameters(), "an encoder")?;
        // Both halves have the same means and scale.
        let decoder = DecoderState::from_bytes(&self.shape, kept.expect_bytes(DECODER)?)?;
        keep_encoder(kept, parameters, &decoder.standard);
        self.encoders.clear();
        Ok(())
    }

    fn codes(&self, gpu: &Gpu, whose: &[(u32, &Kept)], weights: &[f32]) -> Result<Vec<Vec<f32>>> {
        let kept: Vec<_> = whose.iter().map(|&(_, kept)| kept).collect();
        let ids = kept.iter().map(|kept| encoder_id(kept)).collect::<Result<_>>()?;
        let make = || Encoders::new(gpu, &self.shape, &kept, (kept.len(), 1));
        let same = vec![weights; whose.len()];
        let codes = self.encoders.with(ids, make, |encoders| encoders.codes(&same))?;
        Ok(codes.chunks_exact(self.shape.latent().max(1)).map(<[f32]>::to_vec).collect())
    }
}
