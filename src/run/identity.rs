//! What decides the result of a run: its settings, and the content of what they refer to.

use crate::data::{self, DataDir};
use crate::digest;
use crate::model::ModelSpec;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Two runs with equal identities have the same results. A model's name or a data set's path says little by
/// itself: the digests say what was behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The verb: "simulate".
    pub verb: String,
    /// All settings, as TOML.
    pub settings: String,
    /// Digests of what the settings refer to, by what it is: "model mnist-mlp".
    pub inputs: BTreeMap<String, String>,
}

impl Identity {
    /// A run that depends on its settings alone.
    pub fn new(verb: &str, settings: &str) -> Self {
        Self { verb: verb.into(), settings: settings.into(), inputs: BTreeMap::new() }
    }

    /// Depends on a model, given by its name or its path.
    pub fn with_model(mut self, name_or_path: &str) -> Result<Self> {
        let digest = ModelSpec::load(name_or_path)?.digest()?;
        self.inputs.insert(format!("model {name_or_path}"), digest);
        Ok(self)
    }

    /// Depends on a data set, given by its name or its path.
    pub fn with_data(mut self, name: &str, data_dir: &DataDir) -> Result<Self> {
        self.inputs.insert(format!("data {name}"), data::load(name, data_dir)?.digest());
        Ok(self)
    }

    /// Depends on a file, as an argument gives it.
    pub fn with_file(mut self, argument: &str, path: &Path) -> Result<Self> {
        self.inputs.insert(format!("{argument} {}", path.display()), digest::of_file(path)?);
        Ok(self)
    }

    /// The digest of all of it.
    pub fn digest(&self) -> String {
        let mut digester = digest::Digester::default().piece(self.verb.as_bytes());
        digester = digester.piece(self.settings.as_bytes());
        for (what, digest) in &self.inputs {
            digester = digester.piece(what.as_bytes()).piece(digest.as_bytes());
        }
        digester.hexadecimal()
    }

    /// Refuses to go on with `earlier` in `folder` where it is not this run, and says in what it differs.
    pub fn check_same(&self, earlier: &Self, folder: &Path) -> Result<()> {
        let refuse = |problem: String, mend: String| Err(Error::setting("--resume", problem, mend));
        let shown = folder.display();
        if earlier.verb != self.verb {
            let problem = format!("{shown} holds a run of fedfunnel {}", earlier.verb);
            return refuse(problem, "name another folder".into());
        }
        if earlier.settings != self.settings {
            let problem = format!("{shown} was started with other settings ({})", self.difference(earlier));
            return refuse(problem, "repeat those, or name another folder".into());
        }
        let of = |identity: &Self, what: &str| identity.inputs.get(what).cloned();
        let all = earlier.inputs.keys().chain(self.inputs.keys());
        match all.into_iter().find(|what| of(earlier, what) != of(self, what)) {
            None => Ok(()),
            Some(what) => refuse(
                format!("{what} is not what it was when the run in {shown} was started"),
                "bring it back as it was, or start over with --overwrite or in another folder".into(),
            ),
        }
    }

    /// The first line of the settings that is not as it was.
    fn difference(&self, earlier: &Self) -> String {
        let (mut was, mut is) = (earlier.settings.lines(), self.settings.lines());
        loop {
            match (was.next(), is.next()) {
                (Some(was), Some(is)) if was == is => {}
                (Some(was), Some(is)) => return format!("`{}`, now `{}`", was.trim(), is.trim()),
                (Some(was), None) => return format!("`{}`, which is missing now", was.trim()),
                (None, Some(is)) => return format!("`{}` is new", is.trim()),
                (None, None) => return "in their order".into(),
            }
        }
    }
}
