//! What is listed around a learned stage and works with it as one: see [`Make::Around`].

use crate::codec::{CodePart, Make, StageKind};

/// What the code cannot say comes from the global model.
pub(super) const PRIOR: StageKind = around(CodePart::Prior);
/// What the code misses goes through stages of its own.
pub(super) const RESIDUAL: StageKind = around(CodePart::Residual);
/// The code is trained through its decoder.
pub(super) const TUNE: StageKind = around(CodePart::Tune);
/// What codes have come to miss becomes axes.
pub(super) const REFRESH: StageKind = around(CodePart::Refresh);

const fn around(part: CodePart) -> StageKind {
    StageKind::new(part.name(), Make::Around(part))
}
