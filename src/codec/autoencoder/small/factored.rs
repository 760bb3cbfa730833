//! A decoder as what it is made of: the snapshots, what it takes of them, and its initial weights' seed.

use super::coordinates::Start;
use super::expand::expand_decoder;
use crate::codec::autoencoder::{DecoderState, Standard};
use crate::codec::basis::{Basis, Expansion, column_pieces, run_in_parts};
use crate::codec::raw::Average;
use crate::codec::{
    Message, MessageKind, UpdateDecoder, bytes_to_floats, floats_to_bytes, push_number, take_number,
};
use crate::gpu::{Dispatch, Gpu, Tensor};
use crate::model::{AutoencoderSpec, Network, TensorPiece};
use crate::ops::gram::Coefficients;
use crate::ops::standardize;
use crate::{Error, Result};
use half::f16;
use half::slice::HalfFloatSliceExt;
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

    fn count(&self) -> usize {
        self.rows.len() / self.standard.means.len()
    }

    fn combination(&self, latent: usize) -> DMatrix<f64> {
        let rows = self.coefficients.len() / (latent + 1);
        DMatrix::from_row_iterator(rows, latent + 1, self.coefficients.iter().map(|&c| f64::from(c)))
    }

    /// Bytes of the payload of its message.
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

    /// The payload of its message: a byte that says which parts there are, the number of rows, the seed, the
    /// rows, and the coefficients, means and scale in f32.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.payload_bytes(self.precision));
        bytes.push(u8::from(self.precision == Precision::F16) | u8::from(self.seed.is_some()) << 1);
        push_number(&mut bytes, self.count() as u32);
        bytes.extend(self.seed.iter().flat_map(|seed| seed.to_le_bytes()));
        match self.precision {
            Precision::F32 => bytes.extend(floats_to_bytes(&self.rows)),
            Precision::F16 => bytes.extend(self.rows.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes())),
        }
        bytes.extend(floats_to_bytes(&self.coefficients));
        bytes.extend(floats_to_bytes(&self.standard.means));
        bytes.extend(self.standard.scale.to_le_bytes());
        bytes
    }

    /// From the payload of a message.
    pub fn from_bytes(spec: &AutoencoderSpec, bytes: &[u8]) -> Result<Self> {
        let wrong =
            || Error::message("a factored decoder ends within its header", "send it again, and whole");
        let (&parts, mut rest) = bytes.split_first().ok_or_else(wrong)?;
        if parts > 3 || spec.widths.len() != 3 || rest.first() == Some(&0) {
            return Err(Error::message(
                format!("a factored decoder of kind {parts} is none for {}", spec.name),
                "use the same model and version of fedfunnel on both sides",
            ));
        }
        let precision = if parts & 1 == 1 { Precision::F16 } else { Precision::F32 };
        let count = take_number(&mut rest).ok_or_else(wrong)? as usize;
        let seed = match parts & 2 {
            0 => None,
            _ => {
                let (seed, after) = rest.split_first_chunk().ok_or_else(wrong)?;
                rest = after;
                Some(u32::from_le_bytes(*seed))
            }
        };
        let (width, columns) = (spec.inputs(), spec.latent() + 1);
        let seeded = if seed.is_some() { columns } else { 0 };
        let floats = count.saturating_add(seeded).saturating_mul(columns).saturating_add(width + 1);
        let values = count.saturating_mul(width);
        let due = values.saturating_mul(precision.bytes()).saturating_add(floats.saturating_mul(4));
        if rest.len() != due {
            return Err(Error::message(
                format!("a factored decoder has {} bytes where {due} are due", rest.len()),
                "use the same model and codec on both sides",
            ));
        }
        let (basis, rest) = rest.split_at(values * precision.bytes());
        let rows = match precision {
            Precision::F32 => bytes_to_floats(basis, values, "a basis")?,
            Precision::F16 => {
                let halves = basis.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]));
                halves.collect::<Vec<_>>().to_f32_vec()
            }
        };
        let mut coefficients = bytes_to_floats(rest, floats, "a factored decoder")?;
        let mut means = coefficients.split_off(floats - width - 1);
        let scale = means.pop().unwrap_or(1.0);
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
        run_in_parts(gpu, &expand_decoder(gpu, (&rows, start.as_ref()), &combination, places)?)
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
    let mut head = Vec::new();
    push_number(&mut head, rows as u32);
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
    average: Average,
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
        let average = Average::new(gpu, &weights)?;
        Ok(Self {
            gpu: gpu.clone(),
            latent: spec.latent(),
            combinations,
            coefficients,
            weights,
            dispatches,
            average,
        })
    }

    /// `codes` are `[R, Z]`; the weights are `[R, P]`.
    pub fn weights(&self, codes: &[f32]) -> Result<Vec<f32>> {
        self.decode(codes)?;
        self.weights.read(&self.gpu)
    }

    fn decode(&self, codes: &[f32]) -> Result<()> {
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
        run_in_parts(&self.gpu, &self.dispatches)
    }
}

impl UpdateDecoder for FactoredBank {
    fn average(&mut self, payloads: &[Vec<u8>], samples: &[usize]) -> Result<Vec<f32>> {
        let codes = payloads
            .iter()
            .map(|payload| bytes_to_floats(payload, self.latent, "a code"))
            .collect::<Result<Vec<_>>>()?;
        self.decode(&codes.concat())?;
        self.average.run(&self.gpu, samples)
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
    let empty = Message { kind: MessageKind::Decoder, round: 0, collaborator: 0, payload: Vec::new() };
    let header = empty.to_bytes().len();
    let saved = 4 * (spec.inputs() - spec.latent());
    let cost = |decoder, precision, payload: usize| {
        let bytes = header + payload;
        let break_even_rounds = bytes as f64 / saved as f64;
        DecoderCost { decoder, precision, bytes: bytes as u64, break_even_rounds }
    };
    let mut costs = vec![cost("dense", None, DecoderState::payload_bytes(spec))];
    if let Some(factored) = factored {
        for (name, precision) in [("factored_f32", Precision::F32), ("factored_f16", Precision::F16)] {
            costs.push(cost(name, Some(precision), factored.payload_bytes(precision)));
        }
    }
    costs
}
