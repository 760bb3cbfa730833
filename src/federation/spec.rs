//! A simulation's spec: a TOML file, built in or the user's own, with any field set from outside.

use crate::data::Partitioner;
use crate::model::Optimizer;
use crate::training::SnapshotEvery;
use crate::{Error, Result, files};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The specs that come with the program.
const BUILT_IN: &[(&str, &str)] = &[
    ("demo", include_str!("../../models/experiments/demo.toml")),
    ("mnist", include_str!("../../models/experiments/mnist.toml")),
];

/// A federation, and how its updates are compressed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimulationSpec {
    /// Its name.
    pub name: String,
    /// The data set that is dealt out.
    pub data: String,
    /// The classifier.
    pub model: String,
    /// How many take part.
    pub collaborators: usize,
    /// How often the aggregator averages.
    pub rounds: u32,
    /// Epochs that a collaborator trains in a round.
    #[serde(default = "one")]
    pub local_epochs: u64,
    /// Images per step.
    #[serde(default = "default_batch")]
    pub batch: usize,
    /// Seed of initial weights, partition and orders.
    #[serde(default)]
    pub seed: u32,
    /// How the training images are dealt out.
    #[serde(default)]
    pub partition: Partitioner,
    /// Of the collaborators; a new one in each round.
    #[serde(default)]
    pub optimizer: Optimizer,
    /// How weights are logged before the first round.
    pub prepass: Prepass,
    /// What compresses the updates.
    pub autoencoder: AutoencoderSettings,
}

/// Training in isolation, to log weights that the autoencoders learn from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prepass {
    /// Epochs.
    pub epochs: u64,
    /// "epoch", or a number of steps.
    pub snapshot_every: SnapshotEvery,
}

/// The collaborators' autoencoders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoencoderSettings {
    /// Its spec.
    pub model: String,
    /// Floats of the code, in place of the spec's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latent: Option<usize>,
    /// Times that every snapshot is seen.
    pub epochs: usize,
    /// Snapshots per step; all of them where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// How it is trained.
    #[serde(default)]
    pub optimizer: Optimizer,
}

fn one() -> u64 {
    1
}

fn default_batch() -> usize {
    64
}

impl SimulationSpec {
    /// A built-in spec by its name, or the user's own by its path, with `key=value` settings applied.
    pub fn load(name_or_path: &str, settings: &[String]) -> Result<Self> {
        let built_in = BUILT_IN.iter().find(|(name, _)| *name == name_or_path);
        let path = Path::new(name_or_path);
        let text = match built_in {
            Some((_, text)) => text.to_string(),
            None if path.extension().is_some() || path.exists() => files::read_text(path)?,
            None => {
                let names = || BUILT_IN.iter().map(|(name, _)| *name);
                let mend = match files::nearest(name_or_path, names()) {
                    Some(near) => format!("did you mean {near}?"),
                    None => {
                        format!("there are {}, or give a .toml file", names().collect::<Vec<_>>().join(", "))
                    }
                };
                return Err(Error::setting("NAME", format!("there is no simulation {name_or_path:?}"), mend));
            }
        };
        // The file is held to the form first, so that its own mistakes are shown in its own lines.
        let mut spec: Self = files::parse_toml(&text, path)?;
        if !settings.is_empty() {
            let root: toml::Table = files::parse_toml(&text, path)?;
            spec = apply(&root, settings)?.try_into().map_err(|error| blame(&root, settings, &error))?;
        }
        spec.check()?;
        Ok(spec)
    }

    /// The spec as TOML, every default filled in.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| {
            Error::device(
                format!("a spec could not be written: {e}"),
                "this is a fault of fedfunnel; report it",
            )
        })
    }

    fn check(&self) -> Result<()> {
        let zeros = [
            ("collaborators", self.collaborators == 0),
            ("rounds", self.rounds == 0),
            ("local_epochs", self.local_epochs == 0),
            ("batch", self.batch == 0),
            ("prepass.epochs", self.prepass.epochs == 0),
            ("autoencoder.epochs", self.autoencoder.epochs == 0),
            ("autoencoder.batch", self.autoencoder.batch == Some(0)),
        ];
        if let Some((field, _)) = zeros.iter().find(|(_, is_zero)| *is_zero) {
            return Err(Error::setting(*field, "0 does nothing", "use 1 or more"));
        }
        self.optimizer.check("optimizer")?;
        self.autoencoder.optimizer.check("autoencoder.optimizer")
    }
}

/// Sets `key=value` pairs in a spec; keys may be dotted, values are TOML or else plain text.
fn apply(root: &toml::Table, settings: &[String]) -> Result<toml::Table> {
    let mut root = root.clone();
    for setting in settings {
        let wrong = |problem: &str| {
            Error::setting(
                format!("--set {setting}"),
                problem.to_string(),
                "write it as key=value, e.g. rounds=5",
            )
        };
        let (key, value) = setting.split_once('=').ok_or_else(|| wrong("it has no ="))?;
        let value = format!("value = {value}")
            .parse::<toml::Table>()
            .ok()
            .and_then(|mut table| table.remove("value"))
            .unwrap_or_else(|| toml::Value::String(value.trim().to_string()));
        let mut parts: Vec<&str> = key.trim().split('.').collect();
        let last = parts.pop().filter(|last| !last.is_empty()).ok_or_else(|| wrong("it has no key"))?;
        let mut table = &mut root;
        for part in parts {
            table = table
                .entry(part)
                .or_insert_with(|| toml::Value::Table(toml::Table::new()))
                .as_table_mut()
                .ok_or_else(|| wrong("it goes through a value that is no table"))?;
        }
        table.insert(last.to_string(), value);
    }
    Ok(root)
}

/// Finds the setting that is at fault: the one without which all is well, or else the first that goes
/// wrong by itself.
fn blame(root: &toml::Table, settings: &[String], error: &toml::de::Error) -> Error {
    let outcome = |settings: &[String]| {
        apply(root, settings)
            .ok()
            .map(toml::Table::try_into::<SimulationSpec>)
            .and_then(|result| result.err())
    };
    let without = |place: usize| {
        let others = settings.iter().enumerate().filter(|(other, _)| *other != place);
        outcome(&others.map(|(_, setting)| setting.clone()).collect::<Vec<_>>())
    };
    let alone = |place: usize| outcome(&settings[place..=place]);
    let place = (0..settings.len())
        .find(|&place| without(place).is_none())
        .or_else(|| (0..settings.len()).find(|&place| alone(place).is_some()));
    let (problem, mend) = match place {
        Some(place) => files::toml_problem(&alone(place).unwrap_or_else(|| error.clone())),
        None => files::toml_problem(error),
    };
    let field = place.map_or("--set".to_string(), |place| format!("--set {}", settings[place]));
    Error::setting(field, problem, mend)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_can_be_set_and_every_wrong_one_is_named() {
        let set = |pairs: &[&str]| {
            SimulationSpec::load("demo", &pairs.iter().map(|p| p.to_string()).collect::<Vec<_>>())
        };
        let spec = set(&["rounds=3", "optimizer.lr=0.5", "data=mnist", "prepass.snapshot_every=7"]).unwrap();
        assert_eq!((spec.rounds, spec.optimizer.lr, spec.data.as_str()), (3, 0.5, "mnist"));
        assert_eq!(spec.prepass.snapshot_every, SnapshotEvery::Steps(7));
        for (pairs, words) in [
            (["ronds=3"], ["ronds", "rounds"]),
            (["rounds=many"], ["--set rounds=many", "expected u32"]),
            (["partition.kind=dirichlet"], ["--set partition.kind=dirichlet", "add `alpha`"]),
            (["optimizer.lrr=3"], ["lrr", "lr"]),
            (["rounds=0"], ["rounds", "1 or more"]),
            (["rounds"], ["rounds", "key=value"]),
            (["rounds.deep=1"], ["rounds.deep", "table"]),
        ] {
            let error = set(&pairs).unwrap_err();
            assert!(error.is_usage(), "{error}");
            for word in words {
                assert!(error.to_string().contains(word), "{error}");
            }
        }
    }

    #[test]
    fn of_several_settings_the_wrong_one_is_named() {
        let settings = ["partition.kind=dirichlet", "rounds=x", "partition.alpha=1"].map(str::to_string);
        let error = SimulationSpec::load("demo", &settings).unwrap_err().to_string();
        assert!(error.starts_with("--set rounds=x: "), "{error}");
        let spec = SimulationSpec::load("demo", &[&settings[..1], &settings[2..]].concat()).unwrap();
        assert_eq!(spec.partition, Partitioner::Dirichlet { alpha: 1.0 });
    }

    #[test]
    fn what_is_printed_can_be_read() {
        let spec = SimulationSpec::load("mnist", &[]).unwrap();
        let again: SimulationSpec = files::parse_toml(&spec.to_toml().unwrap(), Path::new("again")).unwrap();
        assert_eq!(spec, again);
    }
}
