//! How weights are logged before anything is compressed.

use super::participation::choose;
use crate::data::derive_seed;
use crate::training::SnapshotEvery;
use crate::{Error, Result};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

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
    /// How many collaborators log weights and learn, drawn from the seed; all, where nothing is said. The others get the
    /// decoder that the aggregator makes of theirs, when they first take part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collaborators: Option<usize>,
}

/// The stream of the seed that those who log weights are drawn from.
const STREAM: u64 = 0x6c6f_6773;

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

/// Refuses logs of so many snapshots that there is nothing to learn from.
pub(in crate::federation) fn refuse_few(snapshots: u64) -> Result<()> {
    if snapshots >= 2 {
        return Ok(());
    }
    let problem = format!("the pre-pass leaves {snapshots} snapshots, too few to learn from");
    Err(Error::setting("prepass.snapshot_every", problem, "take them more often, or train for longer"))
}

impl Prepass {
    /// Rounds that are not compressed.
    pub fn raw_rounds(&self) -> u32 {
        match self.kind {
            PrepassKind::Isolated => 0,
            PrepassKind::Federated => self.rounds.unwrap_or(0),
        }
    }

    /// Snapshots that it leaves of a collaborator, where an epoch takes `steps` steps.
    pub(in crate::federation) fn snapshots(&self, steps: u64, local_epochs: u64) -> u64 {
        let logged = |epochs: u64| self.snapshot_every.count(epochs, steps);
        match self.kind {
            PrepassKind::Isolated => logged(self.epochs.unwrap_or(0)),
            PrepassKind::Federated => logged(local_epochs).saturating_mul(self.raw_rounds().into()),
        }
    }

    /// Who logs weights, in the order of ids; `samples` has the images of each, and who has none is not drawn.
    pub(super) fn loggers(&self, seed: u64, samples: &[usize]) -> Vec<u32> {
        let all = (0u32..).zip(samples);
        let Some(count) = self.collaborators else { return all.map(|(who, _)| who).collect() };
        let with_images = all.filter(|(_, samples)| **samples > 0).map(|(who, _)| who).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(derive_seed(seed, STREAM));
        let mut drawn = choose(with_images, count, &mut rng);
        drawn.sort_unstable();
        drawn
    }

    /// Refuses a number of collaborators that cannot log, of so many.
    fn check_collaborators(&self, of: usize) -> Result<()> {
        let field = "prepass.collaborators";
        match self.collaborators {
            Some(count) if !(1..=of).contains(&count) => Err(Error::setting(
                field,
                format!("{count} of {of} collaborators"),
                format!("set it to 1 to {of}"),
            )),
            Some(_) if self.kind == PrepassKind::Federated => {
                let problem = "in a federated pre-pass all log weights that take part in its rounds";
                Err(Error::setting(field, problem, "leave it out, or set prepass.kind to isolated"))
            }
            _ => Ok(()),
        }
    }

    /// Refuses what cannot be run in a federation of so many rounds and collaborators.
    pub(super) fn check(&self, rounds: u32, collaborators: usize) -> Result<()> {
        self.check_collaborators(collaborators)?;
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
