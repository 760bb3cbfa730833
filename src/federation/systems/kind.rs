//! A system by its name in specs.

use super::{System, SystemContext};
use crate::Result;
use crate::codec::Options;
use crate::federation::strategy::PartAbout;

/// A system that specs can name.
#[derive(Clone, Copy)]
pub struct SystemKind {
    /// Its name in specs.
    pub name: &'static str,
    /// What it says of itself.
    pub about: PartAbout,
    /// How its updates cross the wire where nothing else is said: `mask+entropy`.
    pub stages: &'static str,
    /// How it is made.
    pub make: fn(&Options, &SystemContext<'_>) -> Result<Box<dyn System>>,
}
