//! The collaborators' side: weights to codes.

use super::{Half, HalfParameters, Standard};
use crate::gpu::{Dispatch, Gpu, Tensor};
use crate::model::{AutoencoderSpec, Network};
use crate::ops::standardize;
use crate::{Error, Result};

/// The encoders of a cohort, side by side.
#[derive(Debug)]
pub struct Encoder {
    gpu: Gpu,
    weights: Tensor,
    codes: Tensor,
    dispatches: Vec<Dispatch>,
}

impl Encoder {
    /// One encoder for each collaborator, with its standard. Encodes `batch` sets of weights of each
    /// collaborator at a time.
    pub fn new(
        gpu: &Gpu,
        spec: &AutoencoderSpec,
        encoders: &[(HalfParameters<'_>, &Standard)],
        batch: usize,
    ) -> Result<Self> {
        let network = Network::new(gpu, &Half::Encoder.layers(spec), encoders.len(), None)?;
        for (replica, (parameters, _)) in encoders.iter().enumerate() {
            parameters.upload(gpu, &network.parameters, replica)?;
        }
        let workspace = network.workspace(gpu, batch, false)?;
        let ranges = workspace.input().ranges();
        let weights = Tensor::zeros_cut(gpu, "weights to encode", encoders.len(), batch, &ranges)?;
        let standards: Vec<_> = encoders.iter().map(|(_, standard)| *standard).collect();
        let standards = Standard::upload(gpu, &standards, &ranges)?;
        let mut dispatches = standardize::forward(gpu, &weights, &standards, workspace.input())?;
        dispatches.extend(network.forward(gpu, &workspace)?);
        Ok(Self { gpu: gpu.clone(), weights, codes: workspace.output().clone(), dispatches })
    }

    /// `weights` are up to R x B sets of P values, collaborator by collaborator; each has its code of Z floats.
    pub fn codes<W: AsRef<[f32]>>(&self, weights: &[W]) -> Result<Vec<f32>> {
        let width = self.weights.width;
        if let Some(other) = weights.iter().map(|row| row.as_ref().len()).find(|len| *len != width) {
            return Err(Error::setting(
                "model",
                format!("{other} values to encode where the autoencoder takes {width}"),
                "use an autoencoder that was trained for this model",
            ));
        }
        for (line, row) in weights.iter().enumerate() {
            self.weights.write_line(&self.gpu, line, row.as_ref());
        }
        self.gpu.run(&self.dispatches)?;
        let mut codes = self.codes.read(&self.gpu)?;
        codes.truncate(weights.len() * self.codes.width);
        Ok(codes)
    }
}
