//! Decoders that codes train through.

use crate::Result;
use crate::gpu::{Dispatch, Gpu};
use crate::model::{AutoencoderSpec, Network, NetworkLayer};
use crate::ops::code::PartialSums;

/// Most bytes of decoders that lie on the device together: a fixed number, so that a run does not depend on how much
/// memory happens to be free.
const MOST_BYTES: usize = 1 << 30;

/// What turns a code into weights.
#[derive(Clone, Debug)]
pub enum CodeDecoder {
    /// A linear map and an offset: `[Z, P]`, what each value of a code adds to the weights.
    Linear(Vec<f32>),
    /// A linear map by way of fewer values than the code has: weights are sums of K vectors, and the code says how much of
    /// each.
    Factored {
        /// `[K, P]`
        vectors: Vec<f32>,
        /// `[K, Z]`: what each value of a code adds of each vector.
        mix: Vec<f32>,
        /// K
        count: usize,
    },
    /// Layers, whose outputs times a scale, and at an offset, are the weights.
    Network {
        /// From Z values to P.
        layers: Vec<NetworkLayer>,
        /// Their parameters in `state_dict` order.
        parameters: Vec<f32>,
        /// What the outputs are multiplied by.
        scale: f32,
    },
}

impl CodeDecoder {
    /// K of a factored one.
    pub fn vectors(&self) -> Option<usize> {
        if let Self::Factored { count, .. } = self { Some(*count) } else { None }
    }

    /// A factored one as two layers with room for `room` vectors, and any other as it is.
    pub fn layered(self, room: usize) -> Self {
        let Self::Factored { vectors, mix, count } = self else { return self };
        let (floats, width) = (mix.len() / count.max(1), vectors.len() / count.max(1));
        let linear = AutoencoderSpec::linear("factors", width, floats);
        let spec = AutoencoderSpec { widths: vec![width, room, floats, room, width], ..linear };
        // Of four layers the last two, whichever width is the smallest.
        let layers = spec.network().split_off(2);
        // [K, Z] with a bias, and [P, K] with a bias.
        let mut parameters = mix;
        parameters.resize(room * floats + room, 0.0);
        parameters.reserve(width * (room + 1));
        for weight in 0..width {
            parameters.extend(vectors.iter().skip(weight).step_by(width));
            parameters.extend(std::iter::repeat_n(0.0, room - count));
        }
        parameters.extend(std::iter::repeat_n(0.0, width));
        Self::Network { layers, parameters, scale: 1.0 }
    }

    /// A linear one as a layer, where four of its vectors do not fit one binding of the device: a layer is cut by rows.
    /// `floats` are Z.
    pub fn fitting(self, gpu: &Gpu, floats: usize) -> Self {
        let Self::Linear(directions) = self else { return self };
        let width = directions.len() / floats.max(1);
        if 16 * width.next_multiple_of(4) as u64 <= gpu.max_binding_bytes() {
            return Self::Linear(directions);
        }
        let layers = AutoencoderSpec::linear("directions", width, floats).network().split_off(1);
        let weights = (0..width).flat_map(|weight| directions.iter().skip(weight).step_by(width).copied());
        let parameters = weights.chain(std::iter::repeat_n(0.0, width)).collect();
        Self::Network { layers, parameters, scale: 1.0 }
    }

    /// How many replicas' decoders of this form, from `floats` values to `parameters`, lie on the device together: up to
    /// `replicas`, and at least one.
    pub(super) fn most_replicas(
        &self,
        gpu: &Gpu,
        replicas: usize,
        floats: usize,
        parameters: usize,
    ) -> usize {
        let (bytes, bound) = match self {
            Self::Linear(_) => {
                let vector = 4 * parameters.next_multiple_of(4);
                // Four vectors of each replica have to fit one binding.
                let bound = gpu.max_binding_bytes() as usize / (vector * 4);
                (vector * floats.next_multiple_of(4), bound)
            }
            Self::Factored { vectors, .. } => (4 * vectors.len().max(1), usize::MAX),
            Self::Network { parameters, .. } => (4 * parameters.len().max(1), usize::MAX),
        };
        let most = replicas.min(bound).min(MOST_BYTES / bytes).max(1);
        let Self::Network { layers, .. } = self else { return most };
        let mut halves = std::iter::successors(Some(most), |&count| (count > 1).then(|| count.div_ceil(2)));
        halves.find(|&count| pass(gpu, layers, count).is_ok()).unwrap_or(1)
    }
}

/// A forward pass of so many networks side by side, on a device that allocates nothing.
fn pass(gpu: &Gpu, layers: &[NetworkLayer], replicas: usize) -> Result<()> {
    let rehearsal = gpu.rehearsal();
    let network = Network::new(&rehearsal, layers, replicas, None)?;
    network.forward(&rehearsal, &network.workspace(&rehearsal, 1, true)?).map(drop)
}

/// What a step does because codes are decoded.
pub(super) struct DecoderSteps {
    /// From codes to the classifier's parameters.
    pub before: Vec<Dispatch>,
    /// From the gradients of these back.
    pub after: Vec<Dispatch>,
    /// The gradients of the codes.
    pub sums: PartialSums,
}
