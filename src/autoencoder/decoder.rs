//! The aggregator's side: codes to weights.

use super::{Half, HalfParameters, Standard};
use crate::bytes::{bytes_to_floats, floats_to_bytes};
use crate::gpu::{Dispatch, Gpu, Tensor};
use crate::model::{AutoencoderSpec, Network};
use crate::ops::standardize;
use crate::{Error, Result};

/// A decoder as it crosses the wire: its parameters, the means and the scale.
#[derive(Clone, Debug, PartialEq)]
pub struct DecoderState {
    /// In `state_dict` order.
    pub parameters: Vec<f32>,
    /// What turns its outputs into weights.
    pub standard: Standard,
}

impl DecoderState {
    /// The decoder's part of an autoencoder's parameters.
    pub fn of(spec: &AutoencoderSpec, autoencoder: &[f32], standard: &Standard) -> Self {
        let parameters = autoencoder[autoencoder.len() - spec.decoder_parameters()..].to_vec();
        Self { parameters, standard: standard.clone() }
    }

    /// What a [`DecoderBank`] is made of.
    pub fn half(&self) -> (HalfParameters<'_>, &Standard) {
        (HalfParameters::Values(&self.parameters), &self.standard)
    }

    /// Its bytes, known before there is one.
    pub fn payload_bytes(spec: &AutoencoderSpec) -> usize {
        4 * Self::values(spec)
    }

    /// The bytes that ship it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut values = self.parameters.clone();
        values.extend_from_slice(&self.standard.means);
        values.push(self.standard.scale);
        floats_to_bytes(&values)
    }

    /// Parameters, means and the scale.
    fn values(spec: &AutoencoderSpec) -> usize {
        spec.decoder_parameters() + spec.inputs() + 1
    }

    /// From the bytes that shipped it.
    pub fn from_bytes(spec: &AutoencoderSpec, bytes: &[u8]) -> Result<Self> {
        let mut parameters = bytes_to_floats(bytes, Self::values(spec), "a decoder")?;
        let mut means = parameters.split_off(spec.decoder_parameters());
        let scale = means.pop().unwrap_or(1.0);
        Ok(Self { parameters, standard: Standard { means, scale } })
    }
}

/// The decoders that the aggregator was sent, side by side.
#[derive(Debug)]
pub struct DecoderBank {
    gpu: Gpu,
    codes: Tensor,
    weights: Tensor,
    dispatches: Vec<Dispatch>,
}

impl DecoderBank {
    /// One decoder for each collaborator, with its standard. Decodes `batch` codes of each at a time.
    pub fn new(
        gpu: &Gpu,
        spec: &AutoencoderSpec,
        decoders: &[(HalfParameters<'_>, &Standard)],
        batch: usize,
    ) -> Result<Self> {
        let network = Network::new(gpu, &Half::Decoder.layers(spec), decoders.len(), None)?;
        for (replica, (parameters, _)) in decoders.iter().enumerate() {
            parameters.upload(gpu, &network.parameters, replica)?;
        }
        let workspace = network.workspace(gpu, batch, false)?;
        let ranges = workspace.output().ranges();
        let weights = Tensor::zeros_cut(gpu, "decoded weights", decoders.len(), batch, &ranges)?;
        let standards: Vec<_> = decoders.iter().map(|(_, standard)| *standard).collect();
        let standards = Standard::upload(gpu, &standards, &ranges)?;
        let mut dispatches = network.forward(gpu, &workspace)?;
        dispatches.extend(standardize::inverse(gpu, workspace.output(), &standards, &weights)?);
        Ok(Self { gpu: gpu.clone(), codes: workspace.input().clone(), weights, dispatches })
    }

    /// `codes` are `[R, B, Z]`; the weights are `[R, B, P]`.
    pub fn weights(&self, codes: &[f32]) -> Result<Vec<f32>> {
        self.decode(codes)?.read(&self.gpu)
    }

    /// The same, left on the device until the next call.
    pub fn decode(&self, codes: &[f32]) -> Result<&Tensor> {
        let due = self.codes.replicas * self.codes.batch * self.codes.width;
        if codes.len() != due {
            return Err(Error::message(
                format!("{} code values came where {due} are due", codes.len()),
                "let every collaborator send one code of the agreed length",
            ));
        }
        self.codes.write(&self.gpu, codes);
        self.gpu.run(&self.dispatches)?;
        Ok(&self.weights)
    }
}
