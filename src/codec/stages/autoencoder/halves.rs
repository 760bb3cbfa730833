//! Encoders and decoders of a group of collaborators on the device, in the form that was learned.

use crate::autoencoder::small::{EncoderFactors, FactoredBank, FactoredDecoder, FactoredEncoders};
use crate::autoencoder::{DecoderBank, DecoderState, Encoder, Half, HalfParameters, Standard};
use crate::codec::{Kept, KeptId};
use crate::gpu::{Gpu, Tensor};
use crate::model::{Activation, AutoencoderSpec, NetworkLayer};
use crate::training::CodeDecoder;
use crate::{Error, Result};

/// What a collaborator keeps: its encoder at full width, or the factors of one.
pub(super) const ENCODER: &str = "encoder";
pub(super) const ROWS: &str = "rows";
pub(super) const COEFFICIENTS: &str = "coefficients";
/// What standardises its weights.
pub(super) const MEANS: &str = "means";
pub(super) const SCALE: &str = "scale";
/// What the aggregator keeps: the decoder as it was shipped.
pub(super) const DECODER: &str = "decoder";

/// Keeps a collaborator's encoder at full width: its parameters in `state_dict` order.
pub fn keep_encoder(kept: &mut Kept, parameters: Vec<f32>, standard: &Standard) {
    kept.put(ENCODER, parameters);
    keep_standard(kept, standard);
}

/// Keeps the factors of an encoder.
pub(super) fn keep_factors(kept: &mut Kept, factors: EncoderFactors) {
    kept.put_bytes(COEFFICIENTS, factors.numbers().iter().flat_map(|number| number.to_le_bytes()).collect());
    keep_standard(kept, &factors.standard);
    kept.put(ROWS, factors.rows);
}

/// What is kept of an encoder in either form, to be known again.
pub(super) fn encoder_id(kept: &Kept) -> Result<KeptId> {
    kept.id(ENCODER).map_or_else(|| kept.expect_id(ROWS), Ok)
}

fn keep_standard(kept: &mut Kept, standard: &Standard) {
    kept.put(MEANS, standard.means.clone());
    kept.put(SCALE, vec![standard.scale]);
}

/// The collaborators' side; all of a group have the same form.
pub(super) enum Encoders {
    Dense(Encoder),
    Factored(FactoredEncoders),
}

impl Encoders {
    /// The first `count` of them at full width, each for `each` sets of weights, where the others are the same.
    pub fn new(
        gpu: &Gpu,
        shape: &AutoencoderSpec,
        all: &[&Kept],
        (count, each): (usize, usize),
    ) -> Result<Self> {
        let standards = all.iter().map(|kept| standard(kept)).collect::<Result<Vec<_>>>()?;
        if all.iter().any(|kept| kept.get(ENCODER).is_some()) {
            let values = all[..count].iter().map(|kept| kept.expect(ENCODER).map(HalfParameters::Values));
            let own: Vec<_> = values.zip(&standards).map(|(v, s)| Ok((v?, s))).collect::<Result<_>>()?;
            return Ok(Self::Dense(Encoder::new(gpu, shape, &own, each)?));
        }
        let factors = all.iter().zip(standards).map(|(kept, standard)| {
            let numbers = kept.expect_bytes(COEFFICIENTS)?.chunks_exact(8);
            // Chunks of exactly eight bytes always convert.
            let numbers =
                numbers.map(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]));
            EncoderFactors::new(shape, kept.expect(ROWS)?.to_vec(), &numbers.collect::<Vec<_>>(), standard)
        });
        Ok(Self::Factored(FactoredEncoders::new(gpu, factors.collect::<Result<_>>()?)?))
    }

    /// `weights[r]` are collaborator `r`'s P values; the codes are `[R, Z]`.
    pub fn codes<W: AsRef<[f32]>>(&self, weights: &[W]) -> Result<Vec<f32>> {
        match self {
            Self::Dense(encoder) => encoder.codes(weights),
            Self::Factored(encoders) => encoders.codes(weights),
        }
    }
}

fn standard(kept: &Kept) -> Result<Standard> {
    let (means, scale) = (kept.expect(MEANS)?.to_vec(), kept.expect(SCALE)?);
    Ok(Standard { means, scale: scale.first().copied().unwrap_or(1.0) })
}

/// The aggregator's side; all of a group have the same form.
pub(super) enum Decoders {
    Dense(DecoderBank),
    Factored(FactoredBank),
}

/// A dense decoder has one length; a factored one is sent where it is shorter.
pub(super) fn is_dense(shape: &AutoencoderSpec, bytes: &[u8]) -> bool {
    bytes.len() == DecoderState::payload_bytes(shape)
}

/// Refuses bytes that are no decoder of this shape.
pub(super) fn check(shape: &AutoencoderSpec, bytes: &[u8]) -> Result<()> {
    if is_dense(shape, bytes) { Ok(()) } else { FactoredDecoder::from_bytes(shape, bytes).map(drop) }
}

/// A decoder at full width, in whichever form it was shipped.
pub(super) fn at_full_width(gpu: &Gpu, shape: &AutoencoderSpec, bytes: &[u8]) -> Result<DecoderState> {
    if is_dense(shape, bytes) {
        return DecoderState::from_bytes(shape, bytes);
    }
    FactoredDecoder::from_bytes(shape, bytes)?.expand(gpu, shape)
}

/// What turns codes into weights: a basis where that is one linear layer.
pub(super) fn decoder(gpu: &Gpu, shape: &AutoencoderSpec, bytes: &[u8]) -> Result<CodeDecoder> {
    if !is_dense(shape, bytes) {
        let factors = FactoredDecoder::from_bytes(shape, bytes)?.factors();
        if let Some((vectors, mix)) = factors {
            return Ok(CodeDecoder::Factored { count: vectors.len() / shape.inputs(), vectors, mix });
        }
    }
    let DecoderState { parameters, standard } = at_full_width(gpu, shape, bytes)?;
    let (layers, scale) = (Half::Decoder.layers(shape), standard.scale);
    match layers.as_slice() {
        [NetworkLayer::Dense(only)] if only.layer.activation == Activation::Linear => {
            let latent = shape.latent();
            let weights = &parameters[..latent * shape.inputs()];
            let column = |z: usize| weights.iter().skip(z).step_by(latent).map(|weight| weight * scale);
            Ok(CodeDecoder::Linear((0..latent).flat_map(column).collect()))
        }
        _ => Ok(CodeDecoder::Network { layers, parameters, scale }),
    }
}

impl Decoders {
    /// The first `count` of them at full width, each for `each` codes, where the others are the same.
    pub fn new(
        gpu: &Gpu,
        shape: &AutoencoderSpec,
        shipped: &[&[u8]],
        (count, each): (usize, usize),
    ) -> Result<Self> {
        let dense = shipped.iter().filter(|bytes| is_dense(shape, bytes)).count();
        if dense == shipped.len() {
            let states = shipped[..count].iter().map(|bytes| DecoderState::from_bytes(shape, bytes));
            let states = states.collect::<Result<Vec<_>>>()?;
            let halves: Vec<_> = states.iter().map(DecoderState::half).collect();
            return Ok(Self::Dense(DecoderBank::new(gpu, shape, &halves, each)?));
        }
        if dense > 0 {
            let problem = format!("{dense} of {} decoders are dense and the others factored", shipped.len());
            return Err(Error::message(problem, "let all collaborators ship the same form"));
        }
        let factored = shipped.iter().map(|bytes| FactoredDecoder::from_bytes(shape, bytes));
        Ok(Self::Factored(FactoredBank::new(gpu, shape, &factored.collect::<Result<Vec<_>>>()?)?))
    }

    /// `codes` are `[R, Z]`; the weights are `[R, 1, P]`.
    pub fn decode(&self, codes: &[f32]) -> Result<&Tensor> {
        match self {
            Self::Dense(bank) => bank.decode(codes),
            Self::Factored(bank) => bank.decode(codes),
        }
    }
}
