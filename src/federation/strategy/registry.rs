//! The parts and presets that specs can name.

use super::combine::{
    GEOMETRIC_MEDIAN, KRUM, MEAN, MEDIAN, MULTI_KRUM, NORM_BOUND, NOVA, PARTICIPATION, PLAIN_MEAN, PRINCIPAL,
    PRIVATE_MEAN, QFAIR, TRIMMED_MEAN,
};
use super::kinds::{CombineKind, LocalKind, PartAbout, PartKind, ServerKind};
use super::local::{DYN, PLAIN, PROX, SCAFFOLD, SCAFFOLD_M};
use super::rules::{Combine, Local, Server};
use super::server::{ADAGRAD, ADAM, DYN_SERVER, MOMENTUM, REPLACE, YOGI};
use crate::codec::Options;
use crate::{Result, files};
use serde::Serialize;

/// Strategies by the names that people know.
const PRESETS: &[Preset] = &[
    Preset::new("fedavg", MEAN, REPLACE, PLAIN, MEAN.about),
    Preset::new("fedavgm", MEAN, MOMENTUM, PLAIN, MOMENTUM.about),
    Preset::new("fedadam", MEAN, ADAM, PLAIN, ADAM.about),
    Preset::new("fedyogi", MEAN, YOGI, PLAIN, YOGI.about),
    Preset::new("fedadagrad", MEAN, ADAGRAD, PLAIN, ADAGRAD.about),
    Preset::new("fedmedian", MEDIAN, REPLACE, PLAIN, MEDIAN.about),
    Preset::new("fedtrimmedavg", TRIMMED_MEAN, REPLACE, PLAIN, TRIMMED_MEAN.about),
    Preset::new("krum", KRUM, REPLACE, PLAIN, KRUM.about),
    Preset::new("multikrum", MULTI_KRUM, REPLACE, PLAIN, MULTI_KRUM.about),
    Preset::new("rfa", GEOMETRIC_MEDIAN, REPLACE, PLAIN, GEOMETRIC_MEDIAN.about),
    Preset::new("normbound", NORM_BOUND, REPLACE, PLAIN, NORM_BOUND.about),
    Preset::new("fedld", PRINCIPAL, REPLACE, PLAIN, PRINCIPAL.about),
    Preset::new("qfedavg", QFAIR, REPLACE, PLAIN, QFAIR.about),
    Preset::new("fednova", NOVA, REPLACE, PLAIN, NOVA.about),
    Preset::new("fedau", PARTICIPATION, REPLACE, PLAIN, PARTICIPATION.about),
    Preset::new("fedprox", MEAN, REPLACE, PROX, PROX.about),
    Preset::new("scaffold", PLAIN_MEAN, REPLACE, SCAFFOLD, SCAFFOLD.about),
    Preset::new("scaffold-m", PLAIN_MEAN, REPLACE, SCAFFOLD_M, SCAFFOLD_M.about),
    Preset::new("feddyn", PLAIN_MEAN, DYN_SERVER, DYN, DYN.about),
    Preset::new("dp-fedavg", PRIVATE_MEAN, REPLACE, PLAIN, PRIVATE_MEAN.about),
];

const COMBINES: &[CombineKind] = &[
    MEAN,
    PLAIN_MEAN,
    MEDIAN,
    TRIMMED_MEAN,
    KRUM,
    MULTI_KRUM,
    GEOMETRIC_MEDIAN,
    NORM_BOUND,
    PRINCIPAL,
    QFAIR,
    NOVA,
    PARTICIPATION,
    PRIVATE_MEAN,
];
const SERVERS: &[ServerKind] = &[REPLACE, MOMENTUM, ADAM, YOGI, ADAGRAD, DYN_SERVER];
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
    /// What it says of itself; its options are those of its parts.
    pub about: PartAbout,
}

impl Preset {
    /// Of these parts; `about` is what the one says that makes it what it is.
    const fn new(
        name: &'static str,
        combine: CombineKind,
        server: ServerKind,
        local: LocalKind,
        about: PartAbout,
    ) -> Self {
        let about = PartAbout { options: &[], ..about };
        Self { name, combine: combine.name, server: server.name, local: local.name, about }
    }
}

/// A preset or a part, as it is listed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ExplainedPart {
    /// Its name.
    pub name: &'static str,
    /// The field of a spec that takes it: `strategy.combine`.
    pub field: &'static str,
    /// What a preset is made of: how it combines, what its server does, and what it adds to local training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<[&'static str; 3]>,
    /// What it says of itself.
    #[serde(flatten)]
    pub about: PartAbout,
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

    /// All presets and parts: what a spec can name.
    pub fn explained(&self) -> Vec<ExplainedPart> {
        fn of<T: ?Sized>(field: &'static str, kinds: &[PartKind<T>]) -> Vec<ExplainedPart> {
            let part =
                |kind: &PartKind<T>| ExplainedPart { name: kind.name, field, parts: None, about: kind.about };
            kinds.iter().map(part).collect()
        }
        let preset = |preset: &Preset| {
            let &Preset { name, combine, server, local, about } = preset;
            ExplainedPart { name, field: "strategy", parts: Some([combine, server, local]), about }
        };
        let presets = self.presets.iter().map(preset).collect();
        let [combines, servers] =
            [of("strategy.combine", &self.combines), of("strategy.server", &self.servers)];
        [presets, combines, servers, of("strategy.local", &self.locals)].concat()
    }

    /// The presets and parts of this name.
    pub fn explain(&self, name: &str) -> Result<Vec<ExplainedPart>> {
        let all = self.explained();
        let found: Vec<_> = all.iter().filter(|part| part.name == name).copied().collect();
        match found.as_slice() {
            [] => Err(files::unknown_name("strategies", "strategy", name, all.iter().map(|part| part.name))),
            _ => Ok(found),
        }
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
