//! TODO: scaffold.
