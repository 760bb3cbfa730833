//! Local training as it is.

use crate::codec::{Kept, NoOptions};
use crate::federation::strategy::{Local, LocalKind};

/// As specs name it.
pub const PLAIN: LocalKind = LocalKind {
    name: "plain",
    make: |options| options.parse::<NoOptions>().map(|_| Box::<Plain>::default() as _),
};

/// Adds nothing to local training.
#[derive(Debug, Default)]
pub struct Plain(Kept);

impl Local for Plain {
    fn kept(&mut self) -> &mut Kept {
        &mut self.0
    }
}
