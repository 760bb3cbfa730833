//! Principal component analysis as a codec: the plain baseline of every autoencoder.
//!
//! A code is the projections of the weights, less the mean of the snapshots, onto the snapshots' first k
//! principal axes; the aggregator adds the axes up again. In the squared error no linear code of k floats
//! is better on the snapshots it was fitted to. As layers, that is an autoencoder without biases whose
//! decoder is its encoder transposed, and that is how it is run.

use super::autoencoder::{DecoderBank, DecoderState, Encoder, HalfParameters, SnapshotBatch, Standard};
use super::axes::Axes;
use super::basis::{Basis, Expansion, run_in_parts};
use super::{Message, MessageKind, UpdateDecoder, UpdateEncoder, bytes_to_floats, floats_to_bytes};
use crate::gpu::{Gpu, RowRange, Tensor, split_rows};
use crate::model::{AutoencoderSpec, TensorPiece};
use crate::ops::gram::Coefficients;
use crate::{Error, Result};
use serde::Serialize;

/// How well snapshots come back from k floats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PcaError {
    /// k; 0 sends nothing, and the mean comes back.
    pub floats: usize,
    /// Error of the training snapshots relative to what their mean leaves.
    pub relative_l2: f64,
    /// The same of the held-out snapshots.
    pub validation_relative_l2: Option<f64>,
}

/// Snapshots with their principal axes.
#[derive(Debug)]
pub struct Pca<'g> {
    gpu: &'g Gpu,
    snapshots: Tensor,
    means: Vec<f32>,
    axes: Axes,
    /// Sums of squares of the training snapshots and of the held-out ones.
    spreads: [f64; 2],
    /// Of that of the held-out ones, what lies along each axis.
    held_out_along: Vec<f64>,
}

impl<'g> Pca<'g> {
    /// Fits axes to the training snapshots.
    pub fn fit(gpu: &'g Gpu, train: &[&[f32]], held_out: &[&[f32]]) -> Result<Self> {
        let width = train.first().map_or(0, |row| row.len());
        let ranges = ranges(gpu, width, train.len().max(held_out.len()))?;
        let (data, standards) = SnapshotBatch::fit(gpu, &[train.to_vec()], &ranges)?;
        let means = Standard::read_all(gpu, &standards)?.swap_remove(0).means;
        let others = match held_out.is_empty() {
            true => None,
            false => {
                Some(SnapshotBatch::standardized(gpu, &[held_out.to_vec()], &ranges, &standards)?.values)
            }
        };
        let lines: Vec<_> = std::iter::once(&data.values).chain(&others).collect();
        let all = train.len() + held_out.len();
        let products = Basis::new(gpu, &lines, &[])?.products(all)?;
        let axes = Axes::of(&products.view((0, 0), (train.len(), train.len())).into_owned());
        let projections = products.view((train.len(), 0), (held_out.len(), train.len())) * &axes.coefficients;
        let held_out_spread = (train.len()..all).map(|place| products[(place, place)]).sum();
        Ok(Self {
            gpu,
            snapshots: data.values,
            means,
            held_out_along: projections.column_iter().map(|axis| axis.norm_squared()).collect(),
            // All that the axes hold, so that no floats leave all of it and all floats nothing.
            spreads: [axes.spreads.iter().sum(), held_out_spread],
            axes,
        })
    }

    /// How many directions the training snapshots differ in.
    pub fn rank(&self) -> usize {
        self.axes.rank()
    }

    /// The error of codes of `floats` floats.
    pub fn error(&self, floats: usize) -> PcaError {
        let [train, held_out] = self.spreads;
        let left = |spread: f64, along: &[f64]| {
            let kept: f64 = along.iter().take(floats).sum();
            if spread > 0.0 { ((spread - kept) / spread).max(0.0).sqrt() } else { 0.0 }
        };
        // On the training snapshots what is left is the tail of the spreads, which does not cancel.
        let tail: f64 = 0.0 + self.axes.spreads.iter().skip(floats).sum::<f64>();
        PcaError {
            floats,
            relative_l2: if train > 0.0 { (tail / train).sqrt() } else { 0.0 },
            validation_relative_l2: (held_out > 0.0).then(|| left(held_out, &self.held_out_along)),
        }
    }

    /// The codec of `floats` floats.
    pub fn state(&self, floats: usize) -> Result<PcaState> {
        if floats == 0 || floats > self.rank() {
            return Err(self.refuse("--floats", floats));
        }
        let ranges = ranges(self.gpu, self.means.len(), floats)?;
        let coefficients = Coefficients::new(self.gpu, self.snapshots.batch, floats)?;
        coefficients.write(self.gpu, |m, k| self.axes.coefficients[(m, k)] as f32);
        let buffers = ranges
            .iter()
            .map(|range| self.gpu.zeros("principal axes", range.len * floats))
            .collect::<Result<Vec<_>>>()?;
        let pieces = buffers.iter().zip(&ranges);
        let pieces = pieces.map(|(buffer, &range)| TensorPiece { buffer, offset: 0, range }).collect();
        let expansion = Expansion { coefficients: &coefficients, pieces, accumulate: false };
        let plan = Basis::new(self.gpu, &[&self.snapshots], &[])?.expand(&[expansion])?;
        run_in_parts(self.gpu, &plan)?;
        let mut columns = Vec::with_capacity(self.means.len() * floats);
        for buffer in &buffers {
            columns.extend(self.gpu.read::<f32>(buffer)?);
        }
        Ok(PcaState { floats, rows: transposed(&columns, floats), means: self.means.clone() })
    }

    /// Why codes of `floats` floats are none.
    pub fn refuse(&self, field: &str, floats: usize) -> Error {
        let (count, rank) = (self.snapshots.batch, self.rank());
        let problem =
            format!("{count} training snapshots differ in {rank} directions, and {floats} were asked for");
        Error::setting(field, problem, format!("use 1 to {rank}"))
    }
}

/// Where lines of N values are cut so that `lines` of them fit one binding.
fn ranges(gpu: &Gpu, width: usize, lines: usize) -> Result<Vec<RowRange>> {
    split_rows(width, 4 * lines.max(1) as u64, gpu.max_binding_bytes()).ok_or_else(|| {
        let problem = format!("{lines} values do not fit one binding of {}", gpu.adapter.name);
        Error::device(problem, "log fewer snapshots, or use a larger --max-binding-bytes")
    })
}

/// `[columns, rows]` of `[rows, columns]`.
fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|k| values.iter().skip(k).step_by(columns).copied()).collect()
}

/// A fitted codec as it crosses the wire: k axes and the mean.
#[derive(Clone, Debug, PartialEq)]
pub struct PcaState {
    /// k
    pub floats: usize,
    /// `[k, N]`: orthonormal axes.
    pub rows: Vec<f32>,
    /// N means.
    pub means: Vec<f32>,
}

impl PcaState {
    /// Bytes of a decoder's message for `floats` floats of `width` weights.
    pub fn message_bytes(floats: usize, width: usize) -> usize {
        let empty = Message { kind: MessageKind::Decoder, round: 0, collaborator: 0, payload: Vec::new() };
        empty.to_bytes().len() + 4 * (floats + 1) * width
    }

    /// The payload of its message.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = floats_to_bytes(&self.rows);
        bytes.extend(floats_to_bytes(&self.means));
        bytes
    }

    /// From the payload of a message, for `width` weights.
    pub fn from_bytes(floats: usize, width: usize, bytes: &[u8]) -> Result<Self> {
        let mut rows = bytes_to_floats(bytes, (floats + 1) * width, "a PCA decoder")?;
        let means = rows.split_off(floats * width);
        Ok(Self { floats, rows, means })
    }

    fn spec(&self) -> AutoencoderSpec {
        AutoencoderSpec::linear("pca", self.means.len(), self.floats)
    }

    fn standard(&self) -> Standard {
        Standard { means: self.means.clone(), scale: 1.0 }
    }

    /// What comes back of each of these weights after the wire.
    pub fn restore(&self, gpu: &Gpu, rows: &[&[f32]]) -> Result<Vec<Vec<f32>>> {
        let own = std::slice::from_ref(self);
        let (encoder, decoder) = (PcaEncoder::new(gpu, own)?, PcaDecoder::new(gpu, own)?);
        rows.iter().map(|row| decoder.weights(&encoder.0.codes(std::slice::from_ref(row))?)).collect()
    }
}

/// The collaborators' side.
#[derive(Debug)]
pub struct PcaEncoder<'g>(Encoder<'g>);

impl<'g> PcaEncoder<'g> {
    /// One fitted codec for each collaborator, all of as many floats.
    pub fn new(gpu: &'g Gpu, states: &[PcaState]) -> Result<Self> {
        let standards: Vec<_> = states.iter().map(PcaState::standard).collect();
        let parameters: Vec<_> =
            states.iter().map(|state| [&state.rows[..], &vec![0.0; state.floats]].concat()).collect();
        let own: Vec<_> =
            parameters.iter().map(|values| HalfParameters::Values(values)).zip(&standards).collect();
        Ok(Self(Encoder::new(gpu, &spec_of(states)?, &own, 1)?))
    }
}

impl UpdateEncoder for PcaEncoder<'_> {
    fn encode(&mut self, weights: &[Vec<f32>]) -> Result<Vec<Vec<u8>>> {
        self.0.encode(weights)
    }
}

/// The aggregator's side.
#[derive(Debug)]
pub struct PcaDecoder<'g>(DecoderBank<'g>);

impl<'g> PcaDecoder<'g> {
    /// From what each collaborator sent, all of as many floats.
    pub fn new(gpu: &'g Gpu, states: &[PcaState]) -> Result<Self> {
        let dense = |state: &PcaState| {
            let mut parameters = transposed(&state.rows, state.means.len());
            parameters.resize(parameters.len() + state.means.len(), 0.0);
            DecoderState { parameters, standard: state.standard() }
        };
        let decoders: Vec<_> = states.iter().map(dense).collect();
        let halves: Vec<_> = decoders.iter().map(DecoderState::half).collect();
        Ok(Self(DecoderBank::new(gpu, &spec_of(states)?, &halves, 1)?))
    }

    /// `codes` are `[R, k]`; the weights are `[R, P]`.
    pub fn weights(&self, codes: &[f32]) -> Result<Vec<f32>> {
        self.0.weights(codes)
    }
}

impl UpdateDecoder for PcaDecoder<'_> {
    fn average(&mut self, payloads: &[Vec<u8>], samples: &[usize]) -> Result<Vec<f32>> {
        self.0.average(payloads, samples)
    }
}

fn spec_of(states: &[PcaState]) -> Result<AutoencoderSpec> {
    let alike = |state: &PcaState| (state.floats, state.means.len());
    match states {
        [first, others @ ..] if others.iter().all(|other| alike(other) == alike(first)) => Ok(first.spec()),
        _ => Err(Error::setting(
            "--floats",
            "collaborators have PCA codecs of different sizes, or none",
            "give all of them as many floats of the same model",
        )),
    }
}
