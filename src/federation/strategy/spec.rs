//! A strategy as a spec has it.

use super::{Preset, Strategies, Strategy};
use crate::Result;
use crate::codec::{Options, PartSpec};
use serde::{Deserialize, Serialize};

/// The name of a preset, or a table: a preset, and parts that take the place of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "toml::Value", into = "toml::Value")]
pub enum StrategySpec {
    /// `strategy = "fedavgm"`
    Preset(String),
    /// `[strategy]`
    Parts(StrategyParts),
}

/// The table of a strategy.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StrategyParts {
    /// Where parts come from that are not given.
    #[serde(default = "usual_preset")]
    pub preset: String,
    /// How updates become one.
    #[serde(default)]
    pub combine: Option<PartSpec>,
    /// What the global model becomes.
    #[serde(default)]
    pub server: Option<PartSpec>,
    /// What is added to local training.
    #[serde(default)]
    pub local: Option<PartSpec>,
}

fn usual_preset() -> String {
    "fedavg".into()
}

impl TryFrom<toml::Value> for StrategySpec {
    type Error = String;

    fn try_from(value: toml::Value) -> std::result::Result<Self, String> {
        match value {
            toml::Value::String(name) => Ok(Self::Preset(name)),
            toml::Value::Table(table) => {
                let parts = table.try_into().map_err(|e: toml::de::Error| e.message().trim().to_string());
                parts.map(Self::Parts)
            }
            other => Err(format!("{other} is neither the name of a strategy nor a table of its parts")),
        }
    }
}

impl From<StrategySpec> for toml::Value {
    fn from(spec: StrategySpec) -> Self {
        let StrategyParts { preset, combine, server, local } = match spec {
            StrategySpec::Preset(name) => return Self::String(name),
            StrategySpec::Parts(parts) => parts,
        };
        let parts = [("combine", combine), ("server", server), ("local", local)];
        let parts = parts.into_iter().filter_map(|(name, part)| Some((name.to_string(), part?.into())));
        let all = std::iter::once(("preset".to_string(), Self::String(preset))).chain(parts);
        Self::Table(all.collect())
    }
}

impl Default for StrategySpec {
    fn default() -> Self {
        Self::Preset(usual_preset())
    }
}

impl StrategySpec {
    /// The strategy, before its first round.
    pub fn make(&self, known: &Strategies) -> Result<Strategy> {
        let none = StrategyParts { preset: usual_preset(), combine: None, server: None, local: None };
        let (preset, parts) = match self {
            Self::Preset(name) => (name, &none),
            Self::Parts(parts) => (&parts.preset, parts),
        };
        let preset = known.preset(preset)?;
        let part = |field: &str, usual: &str, given: &Option<PartSpec>| {
            let given = given.clone().unwrap_or_else(|| PartSpec::named(usual));
            let options = Options { place: format!("strategy.{field}"), table: given.options };
            (given.name.unwrap_or_else(|| usual.into()), options)
        };
        let (combine, combine_options) = part("combine", preset.combine, &parts.combine);
        let (server, server_options) = part("server", preset.server, &parts.server);
        let (local, local_options) = part("local", preset.local, &parts.local);
        Ok(Strategy {
            combine: known.combine(&combine, &combine_options)?,
            server: known.server(&server, &server_options)?,
            local: known.local(&local, &local_options)?,
        })
    }

    /// The name of the rule by which updates become one.
    pub fn combine(&self, known: &Strategies) -> Result<String> {
        self.part(known, |preset| preset.combine, |parts| &parts.combine)
    }

    /// The name of the rule for local training.
    pub fn local(&self, known: &Strategies) -> Result<String> {
        self.part(known, |preset| preset.local, |parts| &parts.local)
    }

    fn part(
        &self,
        known: &Strategies,
        usual: fn(&Preset) -> &'static str,
        given: fn(&StrategyParts) -> &Option<PartSpec>,
    ) -> Result<String> {
        let (preset, own) = match self {
            Self::Preset(name) => (name, None),
            Self::Parts(parts) => (&parts.preset, given(parts).as_ref()),
        };
        let usual = usual(known.preset(preset)?);
        Ok(own.and_then(|part| part.name.clone()).unwrap_or_else(|| usual.into()))
    }

    /// Whether the global model becomes the average of the updates.
    pub fn is_plain_average(&self) -> bool {
        let named = |part: &Option<PartSpec>, name: &str| {
            part.as_ref().is_none_or(|part| part.name.as_deref().is_none_or(|own| own == name))
        };
        match self {
            Self::Preset(preset) => preset == "fedavg",
            Self::Parts(StrategyParts { preset, combine, server, .. }) => {
                preset == "fedavg" && named(combine, "mean") && named(server, "replace")
            }
        }
    }

    /// Its name in reports.
    pub fn name(&self) -> String {
        match self {
            Self::Preset(name) => name.clone(),
            Self::Parts(parts) => {
                let given = [&parts.combine, &parts.server, &parts.local];
                let names = given.into_iter().flatten().filter_map(|part| part.name.as_deref());
                [parts.preset.as_str()].into_iter().chain(names).collect::<Vec<_>>().join("+")
            }
        }
    }
}
