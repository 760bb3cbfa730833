//! One autoencoder for all: the aggregator decodes the codes of everybody's snapshots and trains another on them.

use super::Autoencoder;
use super::halves::{DECODER, Decoders, at_full_width, check, keep_encoder};
use crate::autoencoder::DecoderState;
use crate::bytes::{Reader, Writer};
use crate::codec::{Kept, Learned, SetupJob, Setups, ShareJob};
use crate::gpu::Gpu;
use crate::model::Activation;
use crate::training::Snapshots;
use crate::{Error, Result};
use nalgebra::DMatrix;

/// The codes of a collaborator's snapshots, as the aggregator keeps them until it has trained.
const CODES: &str = "codes";

impl Autoencoder {
    /// Refuses shapes whose code of the least error is none that a matrix gives.
    pub(super) fn check_shared(&self) -> Result<()> {
        let shape = &self.shape;
        let is_linear = [shape.latent_activation, shape.output_activation] == [Activation::Linear; 2];
        if shape.network().len() == 2 && shape.conv.is_none() && is_linear {
            return Ok(());
        }
        let problem = format!(
            "{} has hidden layers or is not linear, and shared is for one layer each way",
            shape.name
        );
        Err(Error::setting(
            "codecs: autoencoder",
            problem,
            "leave shared out, or use a linear model such as ae-mnist",
        ))
    }

    /// The codes of the snapshots that a decoder was learned from, and the decoder.
    pub(super) fn with_codes(&self, decoder: &[u8], codes: &[f32]) -> Vec<u8> {
        let mut bytes = Writer::default();
        bytes.number((codes.len() / self.shape.latent()) as u32);
        bytes.floats(codes);
        bytes.bytes(decoder);
        bytes.into_bytes()
    }

    /// Keeps a decoder that came with codes.
    pub(super) fn install_with_codes(&self, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        let mut reader = Reader::new(bytes, "a decoder with codes");
        let count = reader.number()? as usize;
        let codes = reader.floats(count.saturating_mul(self.shape.latent()))?;
        let decoder = reader.bytes(reader.len())?;
        check(&self.shape, decoder)?;
        kept.put_bytes(DECODER, decoder.to_vec());
        kept.put(CODES, codes);
        Ok(())
    }

    /// Trains one on what the codes of all decode to.
    pub(super) fn share_one(&self, job: &mut ShareJob<'_, '_>) -> Result<Vec<u8>> {
        let mut log = Snapshots::new(self.shape.name.as_str());
        for kept in &job.kept {
            let decoders = Decoders::new(job.gpu, &self.shape, &[kept.expect_bytes(DECODER)?], (1, 1))?;
            for code in kept.expect(CODES)?.chunks_exact(self.shape.latent()) {
                log.push(decoders.decode(code)?.read(job.gpu)?, 0, 0);
            }
        }
        let (mut kept, mut learned) = (Kept::default(), Learned::default());
        let shipped = self.learn(&mut SetupJob {
            run: &mut *job.run,
            name: job.name,
            gpu: job.gpu,
            ids: &[0],
            logs: &[log],
            kept: vec![&mut kept],
            learned: &mut learned,
            setups: &mut Setups::default(),
        })?;
        Ok(shipped.into_iter().next().unwrap_or_default())
    }

    /// Keeps, as a collaborator, what encodes for a decoder that came: the code of the least squared error.
    pub(super) fn adopt_one(&self, gpu: &Gpu, bytes: &[u8], kept: &mut Kept) -> Result<()> {
        let DecoderState { parameters, standard } = at_full_width(gpu, &self.shape, bytes)?;
        let (latent, width) = (self.shape.latent(), self.shape.inputs());
        let (weights, bias) = parameters.split_at(latent * width);
        keep_encoder(kept, least_squares(weights, bias, latent)?, &standard);
        Ok(())
    }
}

/// The encoder, in `state_dict` order, whose codes a decoder of weights `W` `[P, Z]` and bias `b` turns back with the least
/// squared error: `(W^T W)^-1 W^T (x - b)`.
fn least_squares(weights: &[f32], bias: &[f32], latent: usize) -> Result<Vec<f32>> {
    let width = bias.len();
    let decoder = DMatrix::from_row_iterator(width, latent, weights.iter().map(|&weight| f64::from(weight)));
    let products = decoder.transpose() * &decoder;
    let Some(factors) = products.cholesky() else {
        let problem = "the values of a shared decoder's code are not independent of each other";
        return Err(Error::setting(
            "codecs: autoencoder",
            problem,
            "use a smaller latent, or more snapshots",
        ));
    };
    let encoder = factors.solve(&decoder.transpose());
    let bias = DMatrix::from_iterator(width, 1, bias.iter().map(|&value| f64::from(value)));
    let offsets = -(&encoder * bias);
    let rows = encoder.row_iter().flat_map(|row| row.iter().map(|&value| value as f32).collect::<Vec<_>>());
    Ok(rows.chain(offsets.iter().map(|&value| value as f32)).collect())
}
