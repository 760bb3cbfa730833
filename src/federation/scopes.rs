//! The names of what both sides keep.

/// What both sides keep for the codec.
pub const CODEC: &str = "codec";

/// What either side keeps for the strategy's local rule.
pub const LOCAL: &str = "local";
