//! The counter-based generator of initial weights, bit for bit the same on every adapter: integers and a single
//! rounding, so that what the host draws with is the twin.

pub use crate::ops::random::{bits, from_bits as uniform, pcg4d, uniform_values as uniform_tensor};
