//! A part of a spec that is chosen by name: a stage, or a part of a strategy, with options of its own.

use crate::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A name, or a table with a name and options: `"mean"`, `{ kind = "momentum", rate = 0.5 }`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "toml::Value", into = "toml::Value")]
pub struct PartSpec {
    /// Which part; `None` where a table leaves that to a preset.
    pub name: Option<String>,
    /// Its options.
    pub options: toml::Table,
}

/// What a table calls the name of a part.
const KEYS: [&str; 2] = ["stage", "kind"];

impl PartSpec {
    /// A part without options.
    pub fn named(name: &str) -> Self {
        Self { name: Some(name.into()), options: toml::Table::new() }
    }
}

impl TryFrom<toml::Value> for PartSpec {
    type Error = String;

    fn try_from(value: toml::Value) -> std::result::Result<Self, String> {
        match value {
            toml::Value::String(name) => Ok(Self::named(&name)),
            toml::Value::Table(mut options) => {
                let name = KEYS.iter().find_map(|key| options.remove(*key));
                match name {
                    Some(toml::Value::String(name)) => Ok(Self { name: Some(name), options }),
                    None => Ok(Self { name: None, options }),
                    Some(other) => Err(format!("{other} is no name")),
                }
            }
            other => Err(format!("{other} is neither a name nor a table")),
        }
    }
}

/// Whether a part's table calls its name `stage`, which stages do, or `kind`.
pub(super) fn to_value(part: &PartSpec, key: &str) -> toml::Value {
    match &part.name {
        Some(name) if part.options.is_empty() => toml::Value::String(name.clone()),
        name => {
            let mut table = part.options.clone();
            table.extend(name.iter().map(|name| (key.to_string(), toml::Value::String(name.clone()))));
            toml::Value::Table(table)
        }
    }
}

impl From<PartSpec> for toml::Value {
    fn from(part: PartSpec) -> Self {
        to_value(&part, "kind")
    }
}

/// The options of a part, and where in a spec they stand.
#[derive(Clone, Debug)]
pub struct Options {
    /// The field: `codecs: topk`.
    pub place: String,
    /// What is given.
    pub table: toml::Table,
}

impl Options {
    /// Reads them; what is missing has the default that `T` gives it.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        self.table.clone().try_into().map_err(|error: toml::de::Error| {
            let problem = error.message().trim().replace('\n', " ");
            self.refuse(problem, "correct it, or leave it out")
        })
    }

    /// The error for options that cannot work.
    pub fn refuse(&self, problem: impl Into<String>, mend: impl Into<String>) -> Error {
        Error::setting(&self.place, problem, mend)
    }
}

/// The options of a part that has none.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoOptions {}
