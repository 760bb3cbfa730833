//! A pipeline as a spec lists it.

use super::PartSpec;
use super::options::to_value;
use super::pipeline_text;
use crate::{Error, Result, files};
use serde::{Deserialize, Serialize};

/// A pipeline in a spec: a list of stages, each a name or a table `{ stage = "topk", part = 0.01 }`; or the same as a
/// line of text, `"delta+topk(part=0.01)"`. A name by itself is a pipeline of that one stage.
///
/// ```
/// use fedfunnel::codec::PipelineSpec;
///
/// let spec = PipelineSpec::from_text("codec", "delta+feedback+topk(part=0.01)")?;
/// assert_eq!(spec.names().collect::<Vec<_>>(), ["delta", "feedback", "topk"]);
/// let wrong = PipelineSpec::from_text("codec", "delta+topk(part=0.01").unwrap_err().to_string();
/// assert!(wrong.starts_with("codec: ") && wrong.contains("that nothing closes; write name(key=value)"));
/// # Ok::<(), fedfunnel::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "toml::Value", into = "toml::Value")]
pub struct PipelineSpec(pub Vec<PartSpec>);

impl PipelineSpec {
    /// Updates as they are: what all others are compared with.
    pub fn raw() -> Self {
        Self(vec![PartSpec::named("raw")])
    }

    /// Whether it is that one.
    pub fn is_raw(&self) -> bool {
        *self == Self::raw()
    }

    /// Of a line such as `delta+topk(part=0.01)`, which `field` gives.
    pub fn from_text(field: &str, text: &str) -> Result<Self> {
        Self::try_from(toml::Value::String(text.into())).map_err(|sentence| {
            let (problem, mend) = sentence.split_once("; ").unwrap_or((&sentence, "correct it"));
            Error::setting(field, problem, mend)
        })
    }

    /// The pipelines of a line in which commas stand between them, which `field` gives.
    pub fn list_from_text(field: &str, text: &str) -> Result<Vec<Self>> {
        let parts = pipeline_text::split(text, ',').map_err(|sentence| {
            let (problem, mend) = sentence.split_once("; ").unwrap_or((&sentence, "correct it"));
            Error::setting(field, problem, mend)
        })?;
        parts.into_iter().map(|part| Self::from_text(field, part.trim())).collect()
    }

    /// As a line of text.
    pub fn to_text(&self) -> String {
        self.0.iter().map(pipeline_text::write).collect::<Vec<_>>().join("+")
    }

    /// The names of its stages.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|part| part.name.as_deref().unwrap_or_default())
    }
}

impl TryFrom<toml::Value> for PipelineSpec {
    type Error = String;

    fn try_from(value: toml::Value) -> std::result::Result<Self, String> {
        let stages: Vec<PartSpec> = match value {
            toml::Value::Array(stages) => {
                stages.into_iter().map(PartSpec::try_from).collect::<std::result::Result<_, _>>()?
            }
            toml::Value::String(text) => pipeline_text::stages(&text)?,
            one => vec![PartSpec::try_from(one)?],
        };
        if stages.is_empty() {
            return Err("a codec without stages sends nothing; write \"raw\" for updates as they are".into());
        }
        if let Some(nameless) = stages.iter().find(|stage| stage.name.is_none()) {
            let keys = nameless.options.keys().map(String::as_str);
            let near = files::nearest("stage", keys);
            let unknown = near.map_or(String::new(), |key| format!("unknown field `{key}`: "));
            return Err(format!(
                "{unknown}a stage's table has no name; write {{ stage = \"topk\", part = 0.01 }}"
            ));
        }
        Ok(Self(stages))
    }
}

impl From<PipelineSpec> for toml::Value {
    fn from(PipelineSpec(stages): PipelineSpec) -> Self {
        let mut values: Vec<_> = stages.iter().map(|stage| to_value(stage, "stage")).collect();
        match values.as_slice() {
            [Self::String(_)] => values.remove(0),
            _ => Self::Array(values),
        }
    }
}
