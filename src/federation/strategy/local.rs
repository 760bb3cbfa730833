//! What a strategy adds to local training.

use super::Local;
use crate::codec::Kept;

/// Nothing.
#[derive(Debug, Default)]
pub struct Plain(Kept);

impl Local for Plain {
    fn kept(&mut self) -> &mut Kept {
        &mut self.0
    }
}
