//! Whether what a checkpoint has of encoders and decoders is such.

use super::super::bank::distinct;
use super::halves::{COEFFICIENTS, DECODER, ENCODER, MEANS, ROWS, SCALE, check, is_dense};
use crate::autoencoder::DecoderState;
use crate::codec::{Kept, expect_length};
use crate::model::AutoencoderSpec;
use crate::{Error, Result};

/// Bytes of a coefficient.
const BYTES: usize = 8;

/// Refuses what collaborators keep where it is no encoder of this shape, or not all of one form.
pub(super) fn check_encoders(shape: &AutoencoderSpec, all: &[&Kept]) -> Result<()> {
    let is_dense = all.iter().any(|kept| kept.get(ENCODER).is_some());
    for kept in distinct(all) {
        expect_length(MEANS, kept.expect(MEANS)?.len(), shape.inputs())?;
        let scale = kept.expect(SCALE)?;
        expect_length(SCALE, scale.len(), 1)?;
        // The file's values are all finite.
        if scale[0] <= 0.0 {
            return Err(wrong(format!("the scale that is kept is {}", scale[0])));
        }
        if is_dense {
            let due = shape.parameters() - shape.decoder_parameters();
            expect_length(ENCODER, kept.expect(ENCODER)?.len(), due)?;
            continue;
        }
        let (rows, coefficients) = (kept.expect(ROWS)?, kept.expect_bytes(COEFFICIENTS)?);
        let snapshots = rows.len() / shape.inputs();
        expect_length(ROWS, rows.len(), snapshots.max(1) * shape.inputs())?;
        expect_length(COEFFICIENTS, coefficients.len(), (snapshots + 1) * shape.latent() * BYTES)?;
        let (numbers, _) = coefficients.as_chunks::<BYTES>();
        if !numbers.iter().all(|&number| f64::from_le_bytes(number).is_finite()) {
            return Err(wrong(format!("the {COEFFICIENTS} that are kept are not all finite")));
        }
    }
    Ok(())
}

/// Refuses what the aggregator keeps where it is no decoder of this shape, or not all of one form.
pub(super) fn check_decoders(shape: &AutoencoderSpec, all: &[&Kept]) -> Result<()> {
    let mut form = None;
    for kept in distinct(all) {
        let bytes = kept.expect_bytes(DECODER)?;
        check(shape, bytes)?;
        if *form.get_or_insert(is_dense(shape, bytes)) != is_dense(shape, bytes) {
            return Err(wrong("some decoders that are kept are dense and the others factored"));
        }
        if is_dense(shape, bytes) {
            let DecoderState { parameters, standard } = DecoderState::from_bytes(shape, bytes)?;
            let mut values = parameters.iter().chain(&standard.means).chain([&standard.scale]);
            if !values.all(|value| value.is_finite()) {
                return Err(wrong("the values of a decoder that is kept are not all finite"));
            }
        }
    }
    Ok(())
}

fn wrong(problem: impl Into<String>) -> Error {
    Error::message(problem, "send the setup again")
}
