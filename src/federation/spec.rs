//! A simulation's spec: a TOML file, built in or the user's own, with any field set from outside.

use crate::data::Partitioner;
use crate::model::Optimizer;
use crate::training::SnapshotEvery;
use crate::{Error, Result, settings};
use serde::{Deserialize, Serialize};

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

/// How weights are logged that the autoencoders learn from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prepass {
    /// Alone or together.
    #[serde(default)]
    pub kind: PrepassKind,
    /// Epochs in isolation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// Uncompressed rounds together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds: Option<u32>,
    /// "epoch", or a number of steps.
    pub snapshot_every: SnapshotEvery,
}

/// Where the logged weights come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrepassKind {
    /// Every collaborator trains alone before the first round, as in the paper.
    #[default]
    Isolated,
    /// The first rounds are uncompressed, and weights are logged inside them.
    Federated,
}

impl Prepass {
    /// Rounds that are not compressed.
    pub fn raw_rounds(&self) -> u32 {
        match self.kind {
            PrepassKind::Isolated => 0,
            PrepassKind::Federated => self.rounds.unwrap_or(0),
        }
    }

    /// Refuses what cannot be run in a federation of so many rounds.
    fn check(&self, rounds: u32) -> Result<()> {
        let (field, given) = match self.kind {
            PrepassKind::Isolated => ("prepass.epochs", self.epochs),
            PrepassKind::Federated => ("prepass.rounds", self.rounds.map(u64::from)),
        };
        match (self.kind, given) {
            (_, None) => {
                let mend = "say how many, 1 or more";
                Err(Error::setting(field, "this kind of pre-pass needs them", mend))
            }
            (_, Some(0)) => Err(Error::setting(field, "0 does nothing", "use 1 or more")),
            (PrepassKind::Federated, Some(raw)) if raw >= u64::from(rounds) => {
                let problem = format!("{raw} uncompressed rounds of {rounds} leave none to compress");
                Err(Error::setting(field, problem, "use fewer, or more rounds"))
            }
            (PrepassKind::Isolated, _) if self.rounds.is_some() => {
                let mend = "leave it out, or set prepass.kind to federated";
                Err(Error::setting("prepass.rounds", "a pre-pass in isolation has no rounds", mend))
            }
            _ => Ok(()),
        }
    }
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
    pub fn load(name_or_path: &str, values: &[String]) -> Result<Self> {
        let (text, origin) = settings::find(BUILT_IN, "simulation", name_or_path)?;
        let spec: Self = settings::parse(&text, &origin, values)?;
        spec.check()?;
        Ok(spec)
    }

    /// The spec as TOML, every default filled in.
    pub fn to_toml(&self) -> Result<String> {
        settings::to_toml(self)
    }

    fn check(&self) -> Result<()> {
        let zeros = [
            ("collaborators", self.collaborators == 0),
            ("rounds", self.rounds == 0),
            ("local_epochs", self.local_epochs == 0),
            ("batch", self.batch == 0),
            ("autoencoder.epochs", self.autoencoder.epochs == 0),
            ("autoencoder.batch", self.autoencoder.batch == Some(0)),
        ];
        if let Some((field, _)) = zeros.iter().find(|(_, is_zero)| *is_zero) {
            return Err(Error::setting(*field, "0 does nothing", "use 1 or more"));
        }
        self.prepass.check(self.rounds)?;
        self.optimizer.check("optimizer")?;
        self.autoencoder.optimizer.check("autoencoder.optimizer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;
    use std::path::Path;

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
