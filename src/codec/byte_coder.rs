//! What codes the bytes that all stages of a pipeline have written.

use crate::Result;
use crate::bytes::{Reader, Writer};

/// The last part of a pipeline: bytes as fewer bytes, and back, without loss.
pub trait ByteCoder: Send + Sync {
    /// Its part of a pipeline's label.
    fn label(&self) -> String;

    /// Writes bytes so that they can be told from what stands behind them.
    fn encode(&self, bytes: &[u8], side: &mut Writer);

    /// Reads what [`encode`](Self::encode) has written, and refuses more than so many bytes.
    fn decode(&self, side: &mut Reader<'_>, most: usize) -> Result<Vec<u8>>;
}

/// The most bytes that stages write of so many values, with room for what they write of none. A message that says more
/// is refused before it takes memory.
pub(super) fn most_bytes(values: usize) -> usize {
    values.saturating_mul(16).saturating_add(4096).min(u32::MAX as usize)
}
