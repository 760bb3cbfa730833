//! Local training as it is.

use crate::codec::{Kept, NoOptions};
use crate::federation::strategy::{Local, LocalKind, PartAbout};

/// As specs name it.
pub const PLAIN: LocalKind = LocalKind {
    name: "plain",
    about: PartAbout {
        summary: "local training as it is",
        good_for: "shares that are alike, or one epoch a round",
        ..PartAbout::NOTHING
    },
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
