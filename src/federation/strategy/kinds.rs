//! A part of a strategy by its name in specs.

use super::rules::{Combine, Local, Server};
use crate::Result;
use crate::codec::Options;

/// A part of a strategy that specs can name.
pub struct PartKind<T: ?Sized> {
    /// Its name in specs.
    pub name: &'static str,
    /// How it is made.
    pub make: fn(&Options) -> Result<Box<T>>,
}

impl<T: ?Sized> Clone for PartKind<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for PartKind<T> {}

/// A rule for combining updates.
pub type CombineKind = PartKind<dyn Combine>;
/// A rule for the global model.
pub type ServerKind = PartKind<dyn Server>;
/// A rule for local training.
pub type LocalKind = PartKind<dyn Local>;
