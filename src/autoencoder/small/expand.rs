//! From a decoder in the span of its snapshots to its weights at full width.

use super::coordinates::Start;
use crate::Result;
use crate::autoencoder::basis::{Basis, Expansion};
use crate::gpu::{Dispatch, Gpu, Tensor};
use crate::model::TensorPiece;
use crate::ops::gram::Coefficients;
use nalgebra::DMatrix;

/// The dispatches that expand a decoder's weights and biases.
pub(super) fn expand_decoder(
    gpu: &Gpu,
    rows: &Tensor,
    start: Option<&Start>,
    decoder: &DMatrix<f64>,
    [weights, biases]: [Vec<TensorPiece<'_>>; 2],
) -> Result<Vec<Dispatch>> {
    let latent = decoder.ncols() - 1;
    let drawn: Vec<_> = start.iter().flat_map(|start| [start.decoder, start.decoder_bias]).collect();
    let matrix = coefficients(gpu, decoder, 0..latent)?;
    let bias = coefficients(gpu, decoder, latent..latent + 1)?;
    Basis::new(gpu, &[rows], &drawn)?.expand(&[
        Expansion { coefficients: &matrix, pieces: weights, accumulate: false },
        Expansion { coefficients: &bias, pieces: biases, accumulate: false },
    ])
}

/// The columns of a matrix as the device takes them.
pub(super) fn coefficients(
    gpu: &Gpu,
    from: &DMatrix<f64>,
    columns: std::ops::Range<usize>,
) -> Result<Coefficients> {
    let coefficients = Coefficients::new(gpu, from.nrows(), columns.len())?;
    coefficients.write(gpu, |m, k| from[(m, columns.start + k)] as f32);
    Ok(coefficients)
}
