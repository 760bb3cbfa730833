//! What stages have on the device for a group of collaborators, made of what these keep.

use crate::autoencoder::Half;
use crate::codec::{Incoming, Kept, KeptId, Outgoing, Values};
use crate::gpu::{Gpu, Tensor};
use crate::model::{AutoencoderSpec, Network};
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Made once, and used as long as what it is made of stays the same. Collaborators that keep one decoder together can
/// change, as they do where a part of them takes part in each round.
#[derive(Debug)]
pub(super) struct Bank<T>(Mutex<Option<(Vec<KeptId>, T)>>);

impl<T> Default for Bank<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Bank<T> {
    /// Uses the bank that is made of this, now where it is not there.
    pub fn with<R>(
        &self,
        ids: Vec<KeptId>,
        make: impl FnOnce() -> Result<T>,
        work: impl FnOnce(&T) -> Result<R>,
    ) -> Result<R> {
        let mut bank = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let made = match bank.take() {
            Some((own, made)) if own == ids => made,
            // The other one goes first, since both may not fit the device.
            other => {
                drop(other);
                make()?
            }
        };
        let result = work(&made);
        *bank = Some((ids, made));
        result
    }

    /// Forgets what was made: what it is made of has changed.
    pub fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Takes the weights of a batch out.
pub(super) fn outgoing(gpu: &Gpu, batch: &mut [Outgoing<'_>]) -> Result<Vec<Vec<f32>>> {
    Values::take_all(gpu, batch.iter_mut().map(|outgoing| &mut outgoing.values).collect())
}

/// Puts the codes of a batch, `[R, Z]`, in the place of its weights.
pub(super) fn put_codes(batch: &mut [Outgoing<'_>], codes: &[f32]) {
    let floats = (codes.len() / batch.len().max(1)).max(1);
    let each = batch.iter_mut().zip(codes.chunks_exact(floats));
    each.for_each(|(outgoing, code)| outgoing.values = Values::Host(code.to_vec()));
}

/// Takes the codes of a batch out, `[R, Z]`.
pub(super) fn incoming(gpu: &Gpu, batch: &mut [Incoming<'_>]) -> Result<Vec<f32>> {
    let codes = batch.iter_mut().map(|incoming| incoming.values.take(gpu)).collect::<Result<Vec<_>>>()?;
    Ok(codes.concat())
}

/// Collaborators with one decoder from which on it lies on the device once, for a batch of codes: a tile of the kernels is
/// eight samples, and fewer would leave it idle.
const BATCH: usize = 8;

/// How many decoders, or encoders, lie side by side for those that are made of this, and how many updates each is for.
pub(super) fn side_by_side(ids: &[KeptId]) -> (usize, usize) {
    let is_one = ids.len() >= BATCH && ids.iter().all(|id| *id == ids[0]);
    if is_one { (1, ids.len()) } else { (ids.len(), 1) }
}

/// What is kept, without what is the same memory as another one's.
pub(super) fn distinct<'k>(all: &[&'k Kept]) -> Vec<&'k Kept> {
    let mut seen = BTreeSet::new();
    all.iter().copied().filter(|kept| seen.insert(kept.addresses())).collect()
}

/// Leaves a batch the lines of decoded weights, `[R, 1, P]`.
pub(super) fn put_lines(batch: &mut [Incoming<'_>], tensor: &Tensor) {
    for (line, incoming) in batch.iter_mut().enumerate() {
        incoming.values = Values::Device { tensor: tensor.clone(), line };
    }
}

/// Refuses halves of autoencoders that do not lie side by side on the device for all collaborators.
pub(super) fn check_bank(gpu: &Gpu, shape: &AutoencoderSpec, collaborators: usize) -> Result<()> {
    let rehearsal = gpu.rehearsal();
    let fits = |collaborators: usize| {
        [Half::Encoder, Half::Decoder].into_iter().try_for_each(|half| {
            let network = Network::new(&rehearsal, &half.layers(shape), collaborators, None)?;
            network.forward(&rehearsal, &network.workspace(&rehearsal, 1, false)?).map(drop)
        })
    };
    let Err(error) = fits(collaborators) else { return Ok(()) };
    let Error::Device { problem, .. } = &error else { return Err(error) };
    let problem = format!("their codecs are too many: {problem}");
    Err(Error::setting("collaborators", problem, "use fewer, or a larger --max-binding-bytes"))
}
