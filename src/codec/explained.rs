//! Stages and presets as they are listed: what a codec can be made of.

use super::{About, FreeOption, Linear, Make, PRESETS, Preset, StageKind, Stages};
use crate::{Result, files};

/// A stage, or a preset of stages.
#[derive(Clone, Copy)]
pub struct Explained {
    /// Its name.
    pub name: &'static str,
    /// What it says of itself.
    pub about: About,
    /// The option that decides its bytes.
    pub free: Option<FreeOption>,
    /// Whether it learns from logged weights.
    pub learns: bool,
    /// Whether its messages can be added up before they are decoded.
    pub linear: Linear,
    /// Where in a codec it can stand.
    pub place: &'static str,
    /// The stages that a preset stands for; empty for a stage.
    pub stands_for: &'static str,
    /// Whether it is for what a system exchanges in place of weights.
    pub for_systems: bool,
}

impl Explained {
    /// Stages with it that can be tried: its example, or the stage by itself where the example is a system.
    pub fn stages(&self) -> &'static str {
        if self.for_systems { self.name } else { self.about.example }
    }
}

impl From<&StageKind> for Explained {
    fn from(kind: &StageKind) -> Self {
        let place = match (kind.make, kind.learns) {
            _ if kind.for_systems => "in the stages of a system",
            (_, true) => "first, or right behind prior or feedback, since it learns from logged weights",
            (Make::Holding(_) | Make::HoldingAny(_), _) => "before the stages that it works on",
            (Make::Around(_), _) => "with a stage that learns",
            (Make::Joint(_), _) => "first, or right behind delta",
            (Make::Bytes(_), _) => "last",
            (Make::Plain(_), _) => "",
        };
        let &StageKind { name, about, free, learns, linear, for_systems, .. } = kind;
        Self { name, about, free, learns, linear, place, stands_for: "", for_systems }
    }
}

impl From<&Preset> for Explained {
    fn from(preset: &Preset) -> Self {
        let &Preset { name, about, free, stages, .. } = preset;
        let place = "first, or first of the stages of residual, where its delta is left out";
        let (learns, linear, for_systems) = (false, Linear::No, false);
        Self { name, about, free, learns, linear, place, stands_for: stages, for_systems }
    }
}

impl Stages {
    /// All that a codec can be made of: stages, and behind them presets whose names no stage has.
    pub fn explained(&self) -> Vec<Explained> {
        let is_free = |preset: &&Preset| self.all().iter().all(|kind| kind.name != preset.name);
        let presets = PRESETS.iter().filter(is_free).map(Explained::from);
        self.all().iter().map(Explained::from).chain(presets).collect()
    }

    /// The stage or the preset of a name.
    pub fn explain(&self, name: &str) -> Result<Explained> {
        let all = self.explained();
        let known = all.iter().map(|explained| explained.name);
        let found = all.iter().find(|explained| explained.name == name).copied();
        found.ok_or_else(|| files::unknown_name("codecs", "stage", name, known))
    }
}
