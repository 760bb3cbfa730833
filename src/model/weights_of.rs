//! Which classifier weights are of, as files of weights say it.

use super::{ClassifierSpec, ModelSpec};
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::Path;

/// The key of the name in a file's notes.
const NAME: &str = "model";
/// The key of the spec.
const SPEC: &str = "classifier";

/// The classifier that weights are of. A name alone may stand for another model tomorrow, so that files carry the
/// spec itself; files of others, and weights that were never in a file, may have the name only.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WeightsOf {
    /// Its name.
    pub name: String,
    /// What it is.
    pub spec: Option<ClassifierSpec>,
}

impl From<&ClassifierSpec> for WeightsOf {
    fn from(spec: &ClassifierSpec) -> Self {
        Self { name: spec.name.clone(), spec: Some(spec.clone()) }
    }
}

impl From<&str> for WeightsOf {
    fn from(name: &str) -> Self {
        Self { name: name.into(), spec: None }
    }
}

impl WeightsOf {
    /// Notes it in the metadata of a file.
    pub fn note(&self, metadata: &mut HashMap<String, String>) -> Result<()> {
        metadata.insert(NAME.into(), self.name.clone());
        if let Some(spec) = &self.spec {
            metadata.insert(SPEC.into(), ModelSpec::Classifier(spec.clone()).to_toml()?);
        }
        Ok(())
    }

    /// Reads what [`note`](Self::note) wrote; none where no model is named.
    pub fn read(metadata: &HashMap<String, String>, path: &Path) -> Result<Option<Self>> {
        let Some(name) = metadata.get(NAME) else { return Ok(None) };
        let spec = match metadata.get(SPEC) {
            None => None,
            // A spec inside a file is the file's fault, not that of a setting.
            Some(text) => Some(
                ModelSpec::parse(text, Path::new("its classifier"))
                    .and_then(ModelSpec::classifier)
                    .map_err(|e| Error::file(path, e.to_string(), "write it again with fedfunnel"))?,
            ),
        };
        Ok(Some(Self { name: name.clone(), spec }))
    }

    /// Whether both are known and compute different things; a name does not matter for that.
    pub fn is_other_than(&self, other: &Self) -> bool {
        let unnamed = |spec: &ClassifierSpec| ClassifierSpec { name: String::new(), ..spec.clone() };
        match (&self.spec, &other.spec) {
            (Some(own), Some(other)) => unnamed(own) != unnamed(other),
            _ => false,
        }
    }
}
