//! A decoder as what it is made of: the snapshots, what it takes of them, and its initial weights' seed.

use super::coordinates::Start;
use super::expand::expand_decoder;
use crate::autoencoder::basis::{Basis, Expansion, column_pieces, run_in_parts};
use crate::autoencoder::{DecoderState, Standard};
use crate::bytes::{Reader, Writer};
use crate::gpu::{Dispatch, Gpu, Tensor};
use crate::model::{AutoencoderSpec, Network, TensorPiece};
use crate::ops::gram::Coefficients;
use crate::ops::standardize;
use crate::{Error, Result};
use half::f16;
use nalgebra::DMatrix;
use serde::Serialize;

/// How the basis crosses the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Four bytes a value.
    F32,
    /// Two bytes a value. Snapshots are standardised, so none is out of range.
    F16,
}

impl Precision {
    fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }
}

/// A decoder of one layer as it crosses the wire, in its factors.
#[derive(Clone, Debug, PartialEq)]
pub struct FactoredDecoder {
    precision: Precision,
    /// `[K, N]`: standardised snapshots, as they cross the wire. The last one is left out: they are centred,
    /// so it is minus the sum of the others.
    rows: Vec<f32>,
    /// `[K, Z + 1]`, or with a seed `[K + Z + 1, Z + 1]`: what weights and bias take of the rows and of the
    /// initial weights and biases.
    coefficients: Vec<f32>,
    /// Of the initial weights, where something is left of them.
    seed: Option<u32>,
    /// What turns its outputs into weights.
    pub standard: Standard,
}

impl FactoredDecoder {
    /// From `count` standardised snapshots `[S, N]` and the decoder's combination of them and of the initial
    /// weights.
    pub(super) fn new(
        mut snapshots: Vec<f32>,
        count: usize,
        combination: &DMatrix<f64>,
        seed: Option<u32>,
        standard: Standard,
        precision: Precision,
    ) -> Result<Self> {
        let last = count - 1;
        snapshots.truncate(last * standard.means.len());
        if precision == Precision::F16 {
            snapshots.iter_mut().for_each(|value| *value = f16::from_f32(*value).to_f32());
        }
        let places = (0..combination.nrows()).filter(|&place| place != last);
        let coefficients = places
            .flat_map(|place| {
                let left_out = if place < last { 1.0 } else { 0.0 };
                (0..combination.ncols())
                    .map(move |k| (combination[(place, k)] - left_out * combination[(last, k)]) as f32)
            })
            .collect();
        Ok(Self { precision, rows: snapshots, coefficients, seed, standard })
    }

    /// What is added up to weights, `[K, P]`, and what each value of a code adds of it, `[K, Z]`; none where weights are made
    /// of initial values too, which are not at hand.
    pub fn factors(&self) -> Option<(Vec<f32>, Vec<f32>)> {
        if self.seed.is_some() {
            return None;
        }
        let scale = self.standard.scale;
        let vectors = self.rows.iter().map(|value| value * scale).collect();
        let columns = self.coefficients.len() / self.count();
        let mix = self.coefficients.chunks_exact(columns).flat_map(|row| &row[..columns - 1]);
        Some((vectors, mix.copied().collect()))
    }

    /// How many vectors span its weights: snapshots, but for the last, or directions of them.
    pub fn count(&self) -> usize {
        self.rows.len() / self.standard.means.len()
    }

    fn combination(&self, latent: usize) -> DMatrix<f64> {
        let rows = self.coefficients.len() / (latent + 1);
        DMatrix::from_row_iterator(rows, latent + 1, self.coefficients.iter().map(|&c| f64::from(c)))
    }

    /// Bytes that ship it.
    pub fn payload_bytes(&self, precision: Precision) -> usize {
        let floats = self.coefficients.len() + self.standard.means.len() + 1;
        payload_bytes(self.count(), self.standard.means.len(), floats, self.seed.is_some(), precision)
    }

    /// The same of a decoder that was learned from `snapshots` snapshots, known before there is one. `seeded`
    /// is one of which initial weights are left, as after SGD.
    pub fn payload_bytes_of(
        spec: &AutoencoderSpec,
        snapshots: usize,
        seeded: bool,
        precision: Precision,
    ) -> usize {
        let (rows, columns) = (snapshots.saturating_sub(1), spec.latent() + 1);
        let coefficients = (rows + if seeded { columns } else { 0 }) * columns;
        payload_bytes(rows, spec.inputs(), coefficients + spec.inputs() + 1, seeded, precision)
    }

    /// The bytes that ship it: one that says which parts there are, the number of rows, the seed, the rows, and the
    /// coefficients, means and scale in f32.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Writer::default();
        bytes.byte(u8::from(self.precision == Precision::F16) | u8::from(self.seed.is_some()) << 1);
        bytes.number(self.count() as u32);
        if let Some(seed) = self.seed {
            bytes.bytes(&seed.to_le_bytes());
        }
        match self.precision {
            Precision::F32 => bytes.floats(&self.rows),
            Precision::F16 => bytes.halves(&self.rows),
        }
        bytes.floats(&self.coefficients);
        bytes.floats(&self.standard.means);
        bytes.floats(&[self.standard.scale]);
        bytes.into_bytes()
    }

    /// From the bytes that shipped it.
    pub fn from_bytes(spec: &AutoencoderSpec, bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes, "a factored decoder");
        let (parts, count) = (reader.byte()?, reader.number()? as usize);
        if parts > 3 || spec.widths.len() != 3 || count == 0 {
            return Err(Error::message(
                format!("a factored decoder of kind {parts} with {count} rows is none for {}", spec.name),
                "use the same model and version of fedfunnel on both sides",
            ));
        }
        let precision = if parts & 1 == 1 { Precision::F16 } else { Precision::F32 };
        let seed = match parts & 2 {
            0 => None,
            _ => Some(reader.bytes(4)?.iter().rev().fold(0, |seed, &byte| seed << 8 | u32::from(byte))),
        };
        let (width, columns) = (spec.inputs(), spec.latent() + 1);
        let seeded = if seed.is_some() { columns } else { 0 };
        let values = count.saturating_mul(width);
        let rows = match precision {
            Precision::F32 => reader.floats(values)?,
            Precision::F16 => reader.halves(values)?,
        };
        let coefficients = reader.floats(count.saturating_add(seeded).saturating_mul(columns))?;
        let means = reader.floats(width)?;
        let scale = reader.floats(1)?[0];
        reader.finish()?;
        Ok(Self { precision, rows, coefficients, seed, standard: Standard { means, scale } })
    }

    /// Writes the dense decoder that this is, weights and biases, where the pieces say.
    pub(super) fn expand_into(
        &self,
        gpu: &Gpu,
        spec: &AutoencoderSpec,
        places: [Vec<TensorPiece<'_>>; 2],
    ) -> Result<()> {
        let rows = Tensor::zeros(gpu, "basis", 1, self.count(), spec.inputs())?;
        rows.write(gpu, &self.rows);
        let start = self.seed.map(|seed| Start::of(spec, seed));
        let combination = self.combination(spec.latent());
        run_in_parts(gpu, &expand_decoder(gpu, &rows, start.as_ref(), &combination, places)?)
    }

    /// The dense decoder that this is, expanded on the device.
    pub fn expand(&self, gpu: &Gpu, spec: &AutoencoderSpec) -> Result<DecoderState> {
        let network = Network::new(gpu, &spec.network()[1..], 1, None)?;
        self.expand_into(gpu, spec, [0, 1].map(|place| network.parameters.pieces(place)))?;
        let parameters = network.parameters.read(gpu)?.swap_remove(0);
        Ok(DecoderState { parameters, standard: self.standard.clone() })
    }
}

/// Bytes of `rows` rows of `width` values, of so many floats, and of what stands before them.
fn payload_bytes(rows: usize, width: usize, floats: usize, seeded: bool, precision: Precision) -> usize {
    let mut head = Writer::default();
    head.number(rows as u32);
    1 + head.len() + if seeded { 4 } else { 0 } + rows * width * precision.bytes() + 4 * floats
}

/// The factored decoders that the aggregator was sent. It decodes without expanding any: a code gives what
/// the weights take of the rows and of the initial matrix, which is drawn again a tile at a time.
#[derive(Debug)]
pub struct FactoredBank {
    gpu: Gpu,
    latent: usize,
    combinations: Vec<DMatrix<f64>>,
    coefficients: Vec<Coefficients>,
    weights: Tensor,
    dispatches: Vec<Dispatch>,
}

impl FactoredBank {
    /// One decoder for each collaborator.
    pub fn new(gpu: &Gpu, spec: &AutoencoderSpec, decoders: &[FactoredDecoder]) -> Result<Self> {
        let outputs = Tensor::zeros(gpu, "decoded values", decoders.len(), 1, spec.inputs())?;
        let weights = Tensor::zeros_cut(gpu, "decoded weights", decoders.len(), 1, &outputs.ranges())?;
        let (mut dispatches, mut combinations, mut coefficients) = (Vec::new(), Vec::new(), Vec::new());
        for (replica, decoder) in decoders.iter().enumerate() {
            let rows = Tensor::zeros(gpu, "basis", 1, decoder.count(), spec.inputs())?;
            rows.write(gpu, &decoder.rows);
            let start = decoder.seed.map(|seed| Start::of(spec, seed));
            let drawn: Vec<_> = start.iter().flat_map(|s| [s.decoder, s.decoder_bias]).collect();
            let combination = decoder.combination(spec.latent());
            let taken = Coefficients::new(gpu, combination.nrows(), 1)?;
            let pieces = column_pieces(&outputs, replica);
            let expansion = Expansion { coefficients: &taken, pieces, accumulate: false };
            dispatches.extend(Basis::new(gpu, &[&rows], &drawn)?.expand(&[expansion])?);
            combinations.push(combination);
            coefficients.push(taken);
        }
        let standards: Vec<_> = decoders.iter().map(|decoder| &decoder.standard).collect();
        let standards = Standard::upload(gpu, &standards, &outputs.ranges())?;
        dispatches.extend(standardize::inverse(gpu, &outputs, &standards, &weights)?);
        Ok(Self { gpu: gpu.clone(), latent: spec.latent(), combinations, coefficients, weights, dispatches })
    }

    /// `codes` are `[R, Z]`; the weights are `[R, P]`.
    pub fn weights(&self, codes: &[f32]) -> Result<Vec<f32>> {
        self.decode(codes)?.read(&self.gpu)
    }

    /// The same, left on the device until the next call.
    pub fn decode(&self, codes: &[f32]) -> Result<&Tensor> {
        let due = self.combinations.len() * self.latent;
        if codes.len() != due {
            return Err(Error::message(
                format!("{} code values came where {due} are due", codes.len()),
                "let every collaborator send one code of the agreed length",
            ));
        }
        let each = codes.chunks_exact(self.latent).zip(&self.combinations).zip(&self.coefficients);
        for ((code, combination), coefficients) in each {
            let code = code.iter().map(|&z| f64::from(z)).chain([1.0]);
            let taken = combination * DMatrix::from_iterator(self.latent + 1, 1, code);
            coefficients.write(&self.gpu, |m, _| taken[(m, 0)] as f32);
        }
        run_in_parts(&self.gpu, &self.dispatches)?;
        Ok(&self.weights)
    }
}
