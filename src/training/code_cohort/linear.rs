//! Decoders that are a product with a thin basis.

use super::decoder::DecoderSteps;
use crate::gpu::{Buffer, Gpu};
use crate::model::Network;
use crate::ops::code::{self, BasisPart, Codes, PartialSums};
use crate::{Error, Result};

/// The bases of all replicas: of each arena of the classifier, the vectors in as many parts as it takes to bind them.
#[derive(Debug)]
pub(super) struct LinearDecoders(Vec<Vec<BasisPart>>);

impl LinearDecoders {
    /// Zeros, and what a step does with them. `bases` are what codes were decoded to at their start, an arena each;
    /// `is_shared` says that all replicas have the basis of the first.
    pub fn new(
        gpu: &Gpu,
        classifier: &Network,
        bases: &[Buffer],
        codes: &Codes,
        is_shared: bool,
    ) -> Result<(Self, DecoderSteps)> {
        let arenas = classifier.trained_arenas();
        let lanes: usize = arenas.iter().map(|arena| code::lanes_of(&arena.parameters)).sum();
        let replica_stride = codes.stride * lanes;
        let buffer = gpu.zeros("gradients of codes", codes.replicas * replica_stride)?;
        let sums = PartialSums { buffer, replicas: codes.replicas, replica_stride, lanes };
        let (mut before, mut after, mut parts, mut first_lane) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for (arena, base) in arenas.iter().zip(bases) {
            let parameters = &arena.parameters;
            let own = basis_parts(gpu, codes.floats, codes.replicas, parameters.stride, is_shared)?;
            for part in &own {
                let gradients = &arena.first_moments;
                before.push(code::decode(gpu, parameters, base, part, codes)?);
                after.push(code::gradient(gpu, parameters, gradients, part, &sums, first_lane)?);
            }
            first_lane += code::lanes_of(parameters);
            parts.push(own);
        }
        Ok((Self(parts), DecoderSteps { before, after, sums }))
    }

    /// Whether all replicas have one basis.
    pub fn is_shared(&self) -> bool {
        self.0.iter().flatten().all(|part| part.is_shared)
    }

    /// Gives a replica its basis, `[Z, P]`.
    pub fn load(&self, gpu: &Gpu, classifier: &Network, replica: usize, directions: &[f32]) {
        let parameters = &classifier.parameters;
        for (vector, values) in directions.chunks_exact(parameters.count()).enumerate() {
            for (laid_out, parts) in parameters.laid_out(values).iter().zip(&self.0) {
                let of = |part: &&BasisPart| (part.first..part.first + part.count).contains(&vector);
                if let Some(part) = parts.iter().find(of) {
                    let line = replica * part.count + vector - part.first;
                    gpu.write(&part.vectors, line * laid_out.len(), laid_out);
                }
            }
        }
    }
}

/// Memory for the vectors of decoders, of `stride` elements for each replica or for all, in parts that fit one binding each.
fn basis_parts(
    gpu: &Gpu,
    floats: usize,
    replicas: usize,
    stride: usize,
    is_shared: bool,
) -> Result<Vec<BasisPart>> {
    let elements = if is_shared { stride } else { replicas * stride };
    let fitting = gpu.max_binding_bytes() as usize / (4 * elements);
    let floats = floats.next_multiple_of(4);
    let each = if floats <= fitting { floats } else { fitting - fitting % 4 };
    if each == 0 {
        let problem = format!("{} bytes of a decoder's vectors do not fit one binding", 16 * elements);
        return Err(Error::device(problem, "use a larger --max-binding-bytes, or leave out tune"));
    }
    let part = |first: usize| {
        let count = each.min(floats - first);
        let vectors = gpu.zeros("basis of codes", count * elements)?;
        Ok(BasisPart { vectors, count, first, is_shared })
    };
    (0..floats).step_by(each).map(part).collect()
}
