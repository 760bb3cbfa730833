//! The two spaces that are trained in, as the small matrices that say all about them.

use crate::Result;
use crate::autoencoder::axes::Axes;
use crate::autoencoder::basis::{Basis, Drawn};
use crate::gpu::{Gpu, Tensor};
use crate::model::AutoencoderSpec;
use crate::ops::random::Draw;
use nalgebra::DMatrix;

/// Axes with a smaller share of all variance are left out of the basis: it takes them from f32 snapshots, of which
/// they would be a thousandth.
const SMALLEST_AXIS: f64 = 1e-6;

/// Initial weights of an autoencoder with one hidden layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    /// `[N, Z]`, the tensor's own order being the transpose.
    pub encoder: Drawn,
    /// `[N, Z]`
    pub decoder: Drawn,
    /// `[N, 1]`
    pub decoder_bias: Drawn,
}

impl Start {
    /// Those that the network of a spec with one hidden layer gets from a seed.
    pub fn of(spec: &AutoencoderSpec, seed: u32) -> Self {
        let layers = spec.network();
        let drawn = |tensor: u32, bound, columns, transposed| Drawn {
            draw: Draw { seed, tensor, shared_start: true, bound },
            columns,
            transposed,
        };
        // Tensors are numbered in `state_dict` order; number 1 is the encoder's bias.
        let (encoder, (decoder, bias)) = (layers[0].bounds().0, layers[1].bounds());
        Self {
            encoder: drawn(0, encoder, spec.latent(), true),
            decoder: drawn(2, decoder, spec.latent(), false),
            decoder_bias: drawn(3, bias, 1, false),
        }
    }
}

/// Products of a decoder's basis vectors with each other.
#[derive(Debug)]
pub(super) enum Metric {
    /// `[M, M]`
    Products(DMatrix<f64>),
    /// The vectors are orthogonal, each with this sum of squares.
    Orthogonal(f64),
}

impl Metric {
    /// Products of combinations `[M, B]` with the basis vectors, transposed: `[B, M]`.
    pub fn times(&self, combinations: &DMatrix<f64>) -> DMatrix<f64> {
        match self {
            Self::Products(products) => combinations.tr_mul(products),
            Self::Orthogonal(square) => combinations.transpose() * *square,
        }
    }
}

/// A space of weights around T snapshots, of which the first S are trained on.
///
/// The encoder's matrix is `alpha W_e(0)` plus combinations of its basis, the decoder's matrix and bias
/// together are combinations of theirs.
#[derive(Debug)]
pub(super) struct Coordinates {
    /// N
    pub width: usize,
    /// S
    pub train: usize,
    /// `[T, Me]`: products of the snapshots with the encoder's basis.
    pub inputs: DMatrix<f64>,
    /// `[T, Z]`: products of the snapshots with the encoder's initial matrix; `None` where there is none.
    pub initial: Option<DMatrix<f64>>,
    /// `[Me, S]`: what a step of the encoder takes of its basis for each snapshot; `None` where the basis is
    /// the snapshots themselves.
    pub encoder_steps: Option<DMatrix<f64>>,
    /// `[Md, S]`: the snapshots in the decoder's basis.
    pub targets: DMatrix<f64>,
    /// Products of the decoder's basis.
    pub metric: Metric,
    /// `[Md, T]`: products of the decoder's basis with the snapshots.
    pub cross: DMatrix<f64>,
    /// `[T]`: the snapshots' sums of squares.
    pub squares: Vec<f64>,
    /// What the decoder's gradient is multiplied with, so that it is the one by its coordinates.
    pub decoder_factor: f64,
    /// `[S, r]`: what each basis vector takes of each snapshot, where the basis is not the snapshots.
    pub axes: Option<DMatrix<f64>>,
    /// `[S]`: sums of squares of the training snapshots beyond the basis, which no weights bring back.
    pub beyond: Vec<f64>,
}

impl Coordinates {
    /// The span of the snapshots and of the initial weights, in which SGD stays by itself.
    pub fn exact(gpu: &Gpu, train: &Tensor, held_out: Option<&Tensor>, start: &Start) -> Result<Self> {
        let lines: Vec<&Tensor> = std::iter::once(train).chain(held_out).collect();
        let (count, all) = (train.batch, lines.iter().map(|lines| lines.batch).sum::<usize>());
        let encoder = Basis::new(gpu, &lines, &[start.encoder])?.products(all)?;
        let decoder = Basis::new(gpu, &lines, &[start.decoder, start.decoder_bias])?;
        let vectors = decoder.vectors();
        let products = decoder.products(vectors)?;
        // The snapshots that are trained on and the initial weights; held-out ones are no part of it.
        let own: Vec<usize> = (0..count).chain(all..vectors).collect();
        Ok(Self {
            width: train.width,
            train: count,
            inputs: encoder.columns(0, count).into_owned(),
            initial: Some(encoder.columns(all, start.encoder.columns).into_owned()),
            encoder_steps: None,
            targets: DMatrix::identity(own.len(), count),
            metric: Metric::Products(products.select_rows(&own).select_columns(&own)),
            cross: products.select_rows(&own).columns(0, all).into_owned(),
            squares: (0..all).map(|place| products[(place, place)]).collect(),
            decoder_factor: 1.0,
            axes: None,
            beyond: vec![0.0; count],
        })
    }

    /// The span of the first `count` of the snapshots whose products with each other these are, by orthogonal
    /// vectors along its principal axes. Their values have a mean square of 1, so that coordinates are as large
    /// as a narrow network's weights.
    pub fn orthogonal(products: &DMatrix<f64>, count: usize, inputs: usize) -> Self {
        let (all, width) = (products.nrows(), inputs as f64);
        let gram = products.view((0, 0), (count, count)).into_owned();
        let axes = Axes::of(&gram, SMALLEST_AXIS * gram.trace());
        let coefficients = &axes.coefficients * width.sqrt();
        let cross = products.columns(0, count) * &coefficients;
        let along = &cross / width;
        let targets = along.rows(0, count).transpose();
        let beyond = |place: usize| (gram[(place, place)] - width * along.row(place).norm_squared()).max(0.0);
        Self {
            width: inputs,
            train: count,
            beyond: (0..count).map(beyond).collect(),
            inputs: along,
            initial: None,
            encoder_steps: Some(targets.clone()),
            targets,
            metric: Metric::Orthogonal(width),
            cross: cross.transpose(),
            squares: (0..all).map(|place| products[(place, place)]).collect(),
            decoder_factor: width,
            axes: Some(coefficients),
        }
    }
}
