//! A federation of a simulation: how its updates cross the wire, and what it does otherwise than the others.

use crate::codec::{PartSpec, Pipeline, PipelineSpec};
use crate::federation::systems::built_in;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A pipeline, or a table with one and with what its federation does otherwise than the spec says:
/// `{ stages = ["raw"], local_epochs = 2 }`. The name of a system stands for that with its own stages; its options, and
/// other stages, go into a table: `{ system = "fedpm", prior = 2.0 }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "toml::Value", into = "toml::Value")]
pub struct CodecSpec {
    /// What rounds exchange in place of weights, where they do.
    pub system: Option<PartSpec>,
    /// How updates cross the wire.
    pub stages: PipelineSpec,
    /// Epochs that a collaborator trains in a round, where it is not what the spec says.
    pub local_epochs: Option<u64>,
    /// How the global model crosses.
    pub downlink: Downlink,
    /// The stages that it goes through on its way down, if any.
    pub down: Option<PipelineSpec>,
}

/// What a federation does otherwise than the others of its simulation.
#[derive(Clone)]
pub struct Rules {
    /// Epochs that a collaborator trains in a round.
    pub local_epochs: u64,
    /// How the global model crosses the wire.
    pub downlink: Downlink,
    /// What it goes through on its way down, if anything. Its changes are what `delta` makes of it there.
    pub down: Option<Arc<Pipeline>>,
}

/// How the global model crosses the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Downlink {
    /// All of its weights.
    #[default]
    Model,
    /// As the average of the collaborators' codes.
    Code,
    /// As what arrived, of which those that have the last model make what the aggregator does. Systems choose it.
    #[serde(skip)]
    Echo,
}

/// The table of a codec, less what is a system's.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    stages: PipelineSpec,
    #[serde(default)]
    local_epochs: Option<u64>,
    #[serde(default)]
    downlink: Option<toml::Value>,
}

impl CodecSpec {
    /// Updates as they are: what all others are compared with.
    pub fn raw() -> Self {
        Self::of(PipelineSpec::raw())
    }

    /// These stages, or the system of this name, with all else as the spec says.
    pub fn of(stages: PipelineSpec) -> Self {
        let system = match stages.0.as_slice() {
            [only] => usual_stages(only).map(|usual| (only.clone(), usual)),
            _ => None,
        };
        let (system, stages) = match system {
            Some((system, usual)) => (Some(system), usual),
            None => (None, stages),
        };
        Self { system, stages, local_epochs: None, downlink: Downlink::Model, down: None }
    }

    /// Its stages or its system as a line of text.
    pub fn to_text(&self) -> String {
        let Some(system) = &self.system else { return self.stages.to_text() };
        let named = PipelineSpec(vec![system.clone()]).to_text();
        let is_usual = usual_stages(system).is_some_and(|usual| usual == self.stages);
        if is_usual { named } else { format!("{named}: {}", self.stages.to_text()) }
    }

    /// Whether it is what all others are compared with.
    pub fn is_raw(&self) -> bool {
        *self == Self::raw()
    }

    /// Whether its updates are weights as they are.
    pub fn sends_weights(&self) -> bool {
        self.system.is_none() && self.stages.is_raw()
    }

    /// What is added to the label of its pipeline, besides the stages of its downlink.
    pub fn suffix(&self) -> String {
        let epochs = self.local_epochs.map(|epochs| format!(", {epochs} local epochs"));
        let downlink = (self.downlink == Downlink::Code).then(|| ", codes down".to_string());
        epochs.into_iter().chain(downlink).collect()
    }
}

impl TryFrom<toml::Value> for CodecSpec {
    type Error = String;

    fn try_from(value: toml::Value) -> std::result::Result<Self, String> {
        match value {
            toml::Value::Table(mut table) if !table.contains_key("stage") => {
                let system = table.remove("system").map(|name| take_system(name, &mut table)).transpose()?;
                let table: Table =
                    table.try_into().map_err(|e: toml::de::Error| e.message().trim().to_string())?;
                let Table { stages, local_epochs, downlink } = table;
                let (downlink, down) = match downlink {
                    None => (Downlink::Model, None),
                    Some(name @ toml::Value::String(_)) => {
                        let name = name.try_into().map_err(|e: toml::de::Error| {
                            format!("downlink: {} or a list of stages", e.message().trim())
                        });
                        (name?, None)
                    }
                    Some(stages) => (Downlink::Model, Some(PipelineSpec::try_from(stages)?)),
                };
                Ok(Self { system, stages, local_epochs, downlink, down })
            }
            stages => PipelineSpec::try_from(stages).map(Self::of),
        }
    }
}

/// The fields of a codec's table that are no options of a system.
const FIELDS: [&str; 3] = ["stages", "local_epochs", "downlink"];

/// The system of a table, whose options are taken out of it. Where the table has no stages it gets the system's own.
fn take_system(name: toml::Value, table: &mut toml::Table) -> std::result::Result<PartSpec, String> {
    let mut system = PartSpec::try_from(name)?;
    let options = table.iter().filter(|(key, _)| !FIELDS.contains(&key.as_str()));
    system.options.extend(options.map(|(key, value)| (key.clone(), value.clone())));
    table.retain(|key, _| FIELDS.contains(&key));
    if !table.contains_key("stages") {
        let Some(usual) = usual_stages(&system) else {
            let name = system.name.unwrap_or_default();
            return Err(format!("there is no system {name:?} with stages of its own; name them in stages"));
        };
        table.insert("stages".into(), usual.into());
    }
    Ok(system)
}

/// The stages of a system that comes with the program, where nothing is said of them.
fn usual_stages(system: &PartSpec) -> Option<PipelineSpec> {
    let kind = built_in(system.name.as_deref()?)?;
    PipelineSpec::try_from(toml::Value::String(kind.stages.into())).ok()
}

impl From<CodecSpec> for toml::Value {
    fn from(spec: CodecSpec) -> Self {
        let mut table = toml::Table::new();
        if let Some(PartSpec { name, options }) = spec.system {
            table.extend(options);
            table.insert("system".into(), name.unwrap_or_default().into());
        }
        table.extend(spec.local_epochs.map(|epochs| ("local_epochs".into(), Self::Integer(epochs as i64))));
        if spec.downlink == Downlink::Code {
            table.insert("downlink".into(), "code".into());
        }
        if let Some(down) = spec.down {
            // A name by itself would be another way than through stages.
            let stages = match Self::from(down) {
                stages @ Self::Array(_) => stages,
                one => Self::Array(vec![one]),
            };
            table.insert("downlink".into(), stages);
        }
        if table.is_empty() {
            return spec.stages.into();
        }
        table.insert("stages".into(), spec.stages.into());
        Self::Table(table)
    }
}
