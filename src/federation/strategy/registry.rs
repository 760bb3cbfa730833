//! The parts and presets that specs can name.

use super::combine::{MEAN, PLAIN_MEAN, PRIVATE_MEAN};
use super::kinds::{CombineKind, LocalKind, PartKind, ServerKind};
use super::local::{DYN, PLAIN, PROX, SCAFFOLD, SCAFFOLD_M};
use super::rules::{Combine, Local, Server};
use super::server::{DYN_SERVER, MOMENTUM, REPLACE};
use crate::codec::Options;
use crate::{Result, files};

/// Strategies by the names that people know.
const PRESETS: &[Preset] = &[
    Preset { name: "fedavg", combine: "mean", server: "replace", local: "plain" },
    Preset { name: "fedavgm", combine: "mean", server: "momentum", local: "plain" },
    Preset { name: "fedprox", combine: "mean", server: "replace", local: "prox" },
    Preset { name: "scaffold", combine: "plain-mean", server: "replace", local: "scaffold" },
    Preset { name: "scaffold-m", combine: "plain-mean", server: "replace", local: "scaffold-m" },
    Preset { name: "feddyn", combine: "plain-mean", server: "dyn", local: "dyn" },
    Preset { name: "dp-fedavg", combine: "private-mean", server: "replace", local: "plain" },
];

const COMBINES: &[CombineKind] = &[MEAN, PLAIN_MEAN, PRIVATE_MEAN];
const SERVERS: &[ServerKind] = &[REPLACE, MOMENTUM, DYN_SERVER];
const LOCALS: &[LocalKind] = &[PLAIN, PROX, SCAFFOLD, SCAFFOLD_M, DYN];

/// A strategy by name.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Its name in specs.
    pub name: &'static str,
    /// How updates become one.
    pub combine: &'static str,
    /// What the global model becomes.
    pub server: &'static str,
    /// What is added to local training.
    pub local: &'static str,
}

/// The parts of strategies, and presets of them, that specs can name.
#[derive(Clone)]
pub struct Strategies {
    combines: Vec<CombineKind>,
    servers: Vec<ServerKind>,
    locals: Vec<LocalKind>,
    presets: Vec<Preset>,
}

impl Default for Strategies {
    fn default() -> Self {
        Self {
            combines: COMBINES.to_vec(),
            servers: SERVERS.to_vec(),
            locals: LOCALS.to_vec(),
            presets: PRESETS.to_vec(),
        }
    }
}

impl Strategies {
    /// One more rule for combining updates.
    pub fn with_combine(mut self, kind: CombineKind) -> Self {
        self.combines.push(kind);
        self
    }

    /// One more rule for the global model.
    pub fn with_server(mut self, kind: ServerKind) -> Self {
        self.servers.push(kind);
        self
    }

    /// One more rule for local training.
    pub fn with_local(mut self, kind: LocalKind) -> Self {
        self.locals.push(kind);
        self
    }

    /// One more preset.
    pub fn with_preset(mut self, preset: Preset) -> Self {
        self.presets.push(preset);
        self
    }

    pub(super) fn preset(&self, name: &str) -> Result<&Preset> {
        find(&self.presets, "strategy", name, |preset| preset.name)
    }

    pub(super) fn combine(&self, name: &str, options: &Options) -> Result<Box<dyn Combine>> {
        make(&self.combines, name, options)
    }

    pub(super) fn server(&self, name: &str, options: &Options) -> Result<Box<dyn Server>> {
        make(&self.servers, name, options)
    }

    pub(super) fn local(&self, name: &str, options: &Options) -> Result<Box<dyn Local>> {
        make(&self.locals, name, options)
    }
}

fn make<T: ?Sized>(kinds: &[PartKind<T>], name: &str, options: &Options) -> Result<Box<T>> {
    (find(kinds, &options.place, name, |kind| kind.name)?.make)(options)
}

/// The one of a name. `field` is where the name stands.
fn find<'a, T>(all: &'a [T], field: &str, name: &str, name_of: fn(&T) -> &'static str) -> Result<&'a T> {
    let found = all.iter().find(|known| name_of(known) == name);
    found.ok_or_else(|| files::unknown_name(field, "part", name, all.iter().map(name_of)))
}
