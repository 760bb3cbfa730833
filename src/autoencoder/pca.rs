//! Principal component analysis as a codec: the plain baseline of every autoencoder.
//!
//! A code is the projections of the weights, less the mean of the snapshots, onto the snapshots' first k
//! principal axes; the aggregator adds the axes up again. In the squared error no linear code of k floats
//! is better on the snapshots it was fitted to. As layers, that is an autoencoder without biases whose
//! decoder is its encoder transposed, and that is how it is run.

use super::axes::Axes;
use super::center::{Center, orthonormalize};
use super::{DecoderBank, DecoderState, Encoder, HalfParameters, Standard};
use crate::bytes::{bytes_to_floats, floats_to_bytes};
use crate::gpu::{Gpu, Tensor};
use crate::model::AutoencoderSpec;
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

/// Snapshots with their principal axes. All of it is computed in f64: what is left over by nearly as many floats
/// as there are snapshots is a small part of them.
#[derive(Debug)]
pub struct Pca<'a> {
    train: Vec<&'a [f32]>,
    center: Center,
    axes: Axes,
    /// `[r + 1]` for each held-out snapshot: its sum of squares along each axis, and that beyond the axes.
    held_out: Vec<Vec<f64>>,
}

impl<'a> Pca<'a> {
    /// Fits axes to the training snapshots. A direction that these differ in counts unless that may be nothing but
    /// the rounding of their weights to f32.
    pub fn fit(train: &[&'a [f32]], held_out: &[&'a [f32]]) -> Result<Self> {
        let center = Center::of(train)?;
        let all = [train, held_out].concat();
        let products = center.products(&all);
        let (count, others) = (train.len(), held_out.len());
        let axes = Axes::of(&products.view((0, 0), (count, count)).into_owned(), center.rounding());
        let along = products.view((count, 0), (others, count)) * &axes.coefficients;
        let held_out = (0..others).map(|place| {
            let mut squares: Vec<f64> = along.row(place).iter().map(|along| along * along).collect();
            let whole = products[(count + place, count + place)];
            squares.push((whole - squares.iter().sum::<f64>()).max(0.0));
            squares
        });
        let held_out = held_out.collect();
        Ok(Self { train: train.to_vec(), center, axes, held_out })
    }

    /// How many directions the training snapshots differ in.
    pub fn rank(&self) -> usize {
        self.axes.rank()
    }

    /// The error of codes of `floats` floats.
    pub fn error(&self, floats: usize) -> PcaError {
        let relative = |left: f64, whole: f64| if whole > 0.0 { (left / whole).sqrt() } else { 0.0 };
        let left_by = |count: usize| -> f64 {
            0.0 + self.held_out.iter().flat_map(|squares| squares.iter().skip(count)).sum::<f64>()
        };
        let (axes, held_out) = (floats.min(self.rank()), left_by(0));
        PcaError {
            floats,
            relative_l2: relative(self.axes.left_by(axes), self.axes.left_by(0)),
            validation_relative_l2: (held_out > 0.0).then(|| relative(left_by(axes), held_out)),
        }
    }

    /// The codec of `floats` floats.
    pub fn state(&self, floats: usize) -> Result<PcaState> {
        if floats == 0 || floats > self.rank() {
            return Err(self.refuse("--floats", floats));
        }
        let coefficients = self.axes.coefficients.columns(0, floats).into_owned();
        let rows = self.center.axes(&self.train, &coefficients);
        Ok(PcaState { floats, rows, means: self.center.means() })
    }

    /// The standard deviation of the training snapshots along each of the first axes.
    pub fn spreads(&self, floats: usize) -> Vec<f32> {
        let (scale, count) = (f64::from(self.center.scale()), self.train.len().max(1) as f64);
        let spreads = self.axes.spreads.iter().take(floats);
        spreads.map(|squares| ((squares / count).sqrt() * scale) as f32).collect()
    }

    /// The error for a number of floats that there are no codes of.
    pub fn refuse(&self, field: &str, floats: usize) -> Error {
        let (count, rank) = (self.train.len(), self.rank());
        let problem =
            format!("{count} training snapshots differ in {rank} directions, and {floats} were asked for");
        Error::setting(field, problem, format!("use 1 to {rank}"))
    }
}

/// Axes of `width` values that were rounded, orthonormal again.
pub fn orthonormal(rows: Vec<f32>, width: usize) -> Vec<f32> {
    let mut rows: Vec<_> = rows.into_iter().map(f64::from).collect();
    orthonormalize(&mut rows, width);
    rows.into_iter().map(|value| value as f32).collect()
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
    /// Its bytes for `floats` floats of `width` weights, known before there is one.
    pub fn payload_bytes(floats: usize, width: usize) -> usize {
        4 * (floats + 1) * width
    }

    /// k of a codec that so many bytes ship.
    pub fn floats_of(payload_bytes: usize, width: usize) -> usize {
        (payload_bytes / (4 * width)).saturating_sub(1)
    }

    /// The bytes that ship it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = floats_to_bytes(&self.rows);
        bytes.extend(floats_to_bytes(&self.means));
        bytes
    }

    /// From the bytes that shipped it, for `width` weights. There are as many floats as there are axes.
    pub fn from_bytes(width: usize, bytes: &[u8]) -> Result<Self> {
        let floats = Self::floats_of(bytes.len(), width);
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
pub struct PcaEncoder(Encoder);

impl PcaEncoder {
    /// One fitted codec for each collaborator, all of as many floats.
    pub fn new(gpu: &Gpu, states: &[PcaState]) -> Result<Self> {
        Self::of_batch(gpu, states, 1)
    }

    /// The same for up to `batch` sets of weights of each.
    pub fn of_batch(gpu: &Gpu, states: &[PcaState], batch: usize) -> Result<Self> {
        let standards: Vec<_> = states.iter().map(PcaState::standard).collect();
        let parameters: Vec<_> =
            states.iter().map(|state| [&state.rows[..], &vec![0.0; state.floats]].concat()).collect();
        let own: Vec<_> =
            parameters.iter().map(|values| HalfParameters::Values(values)).zip(&standards).collect();
        Ok(Self(Encoder::new(gpu, &spec_of(states)?, &own, batch)?))
    }

    /// `weights` are R x B sets of P values, collaborator by collaborator; the codes are `[R, B, k]`.
    pub fn codes<W: AsRef<[f32]>>(&self, weights: &[W]) -> Result<Vec<f32>> {
        self.0.codes(weights)
    }
}

/// The aggregator's side.
#[derive(Debug)]
pub struct PcaDecoder(DecoderBank);

impl PcaDecoder {
    /// From what each collaborator sent, all of as many floats.
    pub fn new(gpu: &Gpu, states: &[PcaState]) -> Result<Self> {
        Self::of_batch(gpu, states, 1)
    }

    /// The same for `batch` codes of each.
    pub fn of_batch(gpu: &Gpu, states: &[PcaState], batch: usize) -> Result<Self> {
        let dense = |state: &PcaState| {
            let mut parameters = transposed(&state.rows, state.means.len());
            parameters.resize(parameters.len() + state.means.len(), 0.0);
            DecoderState { parameters, standard: state.standard() }
        };
        let decoders: Vec<_> = states.iter().map(dense).collect();
        let halves: Vec<_> = decoders.iter().map(DecoderState::half).collect();
        Ok(Self(DecoderBank::new(gpu, &spec_of(states)?, &halves, batch)?))
    }

    /// `codes` are `[R, B, k]`; the weights are `[R, B, P]`.
    pub fn weights(&self, codes: &[f32]) -> Result<Vec<f32>> {
        self.0.weights(codes)
    }

    /// The same, left on the device until the next call.
    pub fn decode(&self, codes: &[f32]) -> Result<&Tensor> {
        self.0.decode(codes)
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
