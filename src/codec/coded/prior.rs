//! What the aggregator is sent for the part of weights that a code cannot say, beside the decoder: nothing where that is
//! linear, and the encoder where it is not.

use crate::codec::{Kept, KnownEncoder, Stage};
use crate::{Error, Result};

/// Adds each collaborator's encoder to what is shipped.
pub(super) fn ship<'k>(
    encoder: &dyn KnownEncoder,
    shipped: &mut [Vec<u8>],
    kept: impl Iterator<Item = &'k Kept>,
) -> Result<()> {
    shipped.iter_mut().zip(kept).try_for_each(|(bytes, kept)| {
        bytes.extend(encoder.ship(kept)?);
        Ok(())
    })
}

/// The aggregator's side of it: keeps decoder and encoder.
pub(super) fn install(
    learned: &dyn Stage,
    encoder: &dyn KnownEncoder,
    bytes: &[u8],
    kept: &mut Kept,
) -> Result<()> {
    let Some(decoder) = bytes.len().checked_sub(encoder.payload_bytes()) else {
        let problem = format!("{} bytes are no decoder with its encoder", bytes.len());
        return Err(Error::message(problem, "use the same model and codec on both sides"));
    };
    let (decoder, own) = bytes.split_at(decoder);
    learned.install(decoder, kept)?;
    encoder.keep(own, kept)
}
