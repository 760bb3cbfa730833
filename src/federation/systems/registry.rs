//! The systems that specs can name.

use super::fedpm::FEDPM;
use super::frl::FRL;
use super::hidenseek::HIDENSEEK;
use super::seeds::{FEDKSEED, ONEBYTE};
use super::{System, SystemContext, SystemKind};
use crate::codec::{Options, PartSpec};
use crate::{Result, files};

/// Those that come with the program, a line each.
const SYSTEMS: &[SystemKind] = &[FEDPM, FRL, HIDENSEEK, FEDKSEED, ONEBYTE];

/// What comes with the program, by name.
pub(in crate::federation) fn built_in(name: &str) -> Option<&'static SystemKind> {
    SYSTEMS.iter().find(|kind| kind.name == name)
}

/// All systems that a spec can name.
#[derive(Clone)]
pub struct Systems(Vec<SystemKind>);

impl Default for Systems {
    fn default() -> Self {
        Self(SYSTEMS.to_vec())
    }
}

impl Systems {
    /// The same with one more.
    #[must_use]
    pub fn with(mut self, kind: SystemKind) -> Self {
        self.0.retain(|known| known.name != kind.name);
        self.0.push(kind);
        self
    }

    /// All of them.
    pub fn all(&self) -> &[SystemKind] {
        &self.0
    }

    /// The one of a name.
    pub fn find(&self, name: &str) -> Result<&SystemKind> {
        let names = self.0.iter().map(|kind| kind.name);
        let found = self.0.iter().find(|kind| kind.name == name);
        found.ok_or_else(|| files::unknown_name("codecs: system", "system", name, names))
    }

    /// The system of a spec.
    pub fn make(&self, spec: &PartSpec, context: &SystemContext<'_>) -> Result<Box<dyn System>> {
        let kind = self.find(spec.name.as_deref().unwrap_or_default())?;
        let options = Options { place: format!("codecs: {}", kind.name), table: spec.options.clone() };
        (kind.make)(&options, context)
    }
}
