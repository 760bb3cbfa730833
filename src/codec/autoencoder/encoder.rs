//! The collaborators' side: weights to codes.

use super::Standard;
use crate::codec::{UpdateEncoder, floats_to_bytes};
use crate::gpu::{Dispatch, Gpu, Tensor};
use crate::model::{AutoencoderSpec, Network};
use crate::ops::standardize;
use crate::{Error, Result};

/// The encoders of a cohort, side by side.
#[derive(Debug)]
pub struct Encoder<'g> {
    gpu: &'g Gpu,
    weights: Tensor,
    codes: Tensor,
    dispatches: Vec<Dispatch>,
}

impl<'g> Encoder<'g> {
    /// From each collaborator's autoencoder: its parameters, of which the encoder's are used, and its
    /// standards. Encodes `batch` sets of weights of each collaborator at a time.
    pub fn new(
        gpu: &'g Gpu,
        spec: &AutoencoderSpec,
        autoencoders: &[(&[f32], &Standard)],
        batch: usize,
    ) -> Result<Self> {
        let layers = &spec.network()[..spec.encoder_layers()];
        let network = Network::new(gpu, layers, autoencoders.len(), None)?;
        for (replica, (parameters, _)) in autoencoders.iter().enumerate() {
            network.parameters.write(gpu, replica, &parameters[..network.parameters.count()]);
        }
        let workspace = network.workspace(gpu, batch, false, None)?;
        let ranges = workspace.input().ranges();
        let weights = Tensor::zeros_cut(gpu, "weights to encode", autoencoders.len(), batch, &ranges)?;
        let standards: Vec<_> = autoencoders.iter().map(|(_, standard)| *standard).collect();
        let standards = Standard::upload(gpu, &standards, &ranges)?;
        let mut dispatches = standardize::forward(gpu, &weights, &standards, workspace.input())?;
        dispatches.extend(network.forward(gpu, &workspace)?);
        Ok(Self { gpu, weights, codes: workspace.output().clone(), dispatches })
    }

    /// `weights` are `[R, B, P]`; the codes are `[R, B, Z]`.
    pub fn codes(&self, weights: &[f32]) -> Result<Vec<f32>> {
        if weights.len() != self.weights.replicas * self.weights.batch * self.weights.width {
            return Err(Error::setting(
                "model",
                format!(
                    "{} values to encode where the autoencoder takes {}",
                    weights.len(),
                    self.weights.width
                ),
                "use an autoencoder that was trained for this model",
            ));
        }
        self.weights.write(self.gpu, weights);
        self.gpu.run(&self.dispatches)?;
        self.codes.read(self.gpu)
    }
}

impl UpdateEncoder for Encoder<'_> {
    fn encode(&mut self, weights: &[Vec<f32>]) -> Result<Vec<Vec<u8>>> {
        let codes = self.codes(&weights.concat())?;
        Ok(codes.chunks_exact(self.codes.width).map(floats_to_bytes).collect())
    }
}
