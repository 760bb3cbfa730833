//! A part of a strategy by its name in specs.

use super::rules::{Combine, Local, Server};
use crate::Result;
use crate::codec::{OptionAbout, Options};
use serde::Serialize;

/// What a part of a strategy or a preset is, in words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PartAbout {
    /// What it does, in a line.
    pub summary: &'static str,
    /// The paper that it is from; empty where there is none.
    pub source: &'static str,
    /// What can be said about it in a spec.
    pub options: &'static [OptionAbout],
    /// When to use it, in a line.
    pub good_for: &'static str,
    /// What crosses the wire beside models and updates; empty where nothing does.
    pub sends: &'static str,
    /// The setting of a spec that it works with alone, such as `optimizer.kind=sgd`; empty where there is none.
    pub needs: &'static str,
}

impl PartAbout {
    /// What parts say that say nothing of themselves.
    pub const NOTHING: Self =
        Self { summary: "", source: "", options: &[], good_for: "", sends: "", needs: "" };
}

/// A part of a strategy that specs can name.
pub struct PartKind<T: ?Sized> {
    /// Its name in specs.
    pub name: &'static str,
    /// What it says of itself.
    pub about: PartAbout,
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
