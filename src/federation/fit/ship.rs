//! What all learned codecs have in common here.

use crate::Result;

/// Points on the curve of an autoencoder's training.
pub const CURVE_POINTS: usize = 40;

/// Sends what a collaborator's codes are decoded with; gives the payload that arrives.
pub type Ship<'a> = dyn FnMut(usize, Vec<u8>) -> Result<Vec<u8>> + 'a;
