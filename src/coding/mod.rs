//! Symbols as the fewest bytes, and back, the same on all platforms: whole numbers alone decide what is written.

pub(crate) mod mask;
pub(crate) mod permutation;
pub(crate) mod range;
