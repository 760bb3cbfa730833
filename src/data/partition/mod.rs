//! Deals the samples of a data set out to collaborators, under the names of flwr-datasets.
//!
//! No sample goes to two collaborators, and every collaborator gets one unless `min_size` is 0. Every sample is dealt
//! out, except by kinds that say otherwise. All draws come from one seeded generator; the kinds that compute with
//! floating point (`dirichlet`, `inner-dirichlet`, `continuous`, `exponential`) take logarithms and exponentials, where
//! another platform's mathematics library could in principle move a single sample.

mod continuous;
mod dirichlet;
mod inner_dirichlet;
mod kind;
mod min_size;
mod natural;
mod parts;
mod pathological;
mod shard;
mod sizes;
mod variates;

pub use kind::{ClassAssignment, Partitioner, Shards};

use super::Dataset;
use crate::text::counted;
use crate::{Error, Result};
use parts::{Parts, Samples};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// How samples are dealt out, and how many everybody gets at least. In TOML:
/// `{ kind = "dirichlet", alpha = 0.5, min_size = 10 }`.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Partition {
    /// How.
    #[serde(flatten)]
    pub kind: Partitioner,
    /// Samples that everybody gets at least; 0 where collaborators may be empty.
    #[serde(skip_serializing_if = "is_one")]
    pub min_size: usize,
}

impl Default for Partition {
    fn default() -> Self {
        Self::from(Partitioner::default())
    }
}

impl From<Partitioner> for Partition {
    fn from(kind: Partitioner) -> Self {
        Self { kind, min_size: 1 }
    }
}

impl Partition {
    /// The sample indices of every collaborator, ascending. The same data and seed give the same parts.
    pub fn deal(&self, data: &Dataset, collaborators: usize, seed: u64) -> Result<Vec<Vec<usize>>> {
        self.split(Samples { labels: &data.labels, data: Some(data) }, collaborators, seed)
    }

    fn split(&self, samples: Samples<'_>, collaborators: usize, seed: u64) -> Result<Parts> {
        let labels = samples.labels;
        check_enough(labels.len(), collaborators, self.min_size)?;
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let growing = |units| sizes::growing(labels.len(), collaborators, units);
        let mut parts = match &self.kind {
            Partitioner::Iid => {
                sizes::cut(labels.len(), &sizes::even_sizes(labels.len(), collaborators), rng)
            }
            &Partitioner::Dirichlet { alpha, self_balancing } => {
                let mut parts = dirichlet::dirichlet(labels, collaborators, (alpha, self_balancing), rng)?;
                min_size::feed(&mut parts, self.min_size);
                parts
            }
            Partitioner::InnerDirichlet { alpha, partition_sizes } => {
                inner_dirichlet::inner_dirichlet(labels, collaborators, (*alpha, partition_sizes), rng)?
            }
            Partitioner::Shard(shards) => shard::shard(labels, collaborators, shards, rng)?,
            &Partitioner::Pathological { classes_per_collaborator, class_assignment_mode } => {
                let classes = (classes_per_collaborator, class_assignment_mode);
                pathological::pathological(labels, collaborators, classes, rng)?
            }
            Partitioner::Size { partition_sizes } => {
                sizes::check_sizes(partition_sizes, collaborators, labels.len())?;
                sizes::cut(labels.len(), partition_sizes, rng)
            }
            Partitioner::Linear => sizes::cut(labels.len(), &growing(|who, _| who), rng),
            Partitioner::Square => sizes::cut(labels.len(), &growing(|who, _| who * who), rng),
            // In units of the largest, where those of the first would overflow.
            Partitioner::Exponential => {
                sizes::cut(labels.len(), &growing(|who, last| (who - last).exp()), rng)
            }
            &Partitioner::Continuous { strictness } => {
                continuous::continuous(samples, collaborators, strictness, rng)?
            }
            &Partitioner::NaturalId { group_size } => natural::natural(samples, collaborators, group_size)?,
        };
        min_size::check(&parts, self.min_size)?;
        parts.iter_mut().for_each(|part| part.sort_unstable());
        Ok(parts)
    }
}

/// Deals samples out of which no more is known than their labels; everybody gets one at least.
pub fn partition(
    labels: &[u8],
    collaborators: usize,
    partitioner: &Partitioner,
    seed: u64,
) -> Result<Vec<Vec<usize>>> {
    Partition::from(partitioner.clone()).split(Samples { labels, data: None }, collaborators, seed)
}

/// Refuses fewer samples than everybody gets at least.
fn check_enough(samples: usize, collaborators: usize, least: usize) -> Result<()> {
    if collaborators == 0 {
        return Err(Error::setting("collaborators", "there are none", "set it to 1 or more"));
    }
    if samples >= collaborators.saturating_mul(least) {
        return Ok(());
    }
    let (there, takers) = (counted(samples, "sample"), counted(collaborators, "collaborator"));
    if least > 1 {
        let problem = format!("{there} cannot give {takers} {least} each");
        let mend = format!("set it to {} or less", samples / collaborators);
        return Err(Error::setting("partition.min_size", problem, mend));
    }
    let problem = format!("{there} cannot give {takers} one each");
    Err(Error::setting("collaborators", problem, format!("set it to {samples} or less")))
}

fn is_one(value: &usize) -> bool {
    *value == 1
}

/// `min_size` stands among the options of the kind, which refuse whatever they do not know.
impl<'de> Deserialize<'de> for Partition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = toml::Table::deserialize(deserializer)?;
        let mut min_size = None;
        for name in ["min_size", "min_partition_size"] {
            let Some(value) = table.remove(name) else { continue };
            let wrong =
                || D::Error::custom(format!("invalid value {value} for `{name}`, expected 0 or more"));
            let value = value.as_integer().and_then(|value| usize::try_from(value).ok()).ok_or_else(wrong)?;
            if min_size.replace(value).is_some() {
                return Err(D::Error::custom(format!("duplicate field `{name}`, which is `min_size`")));
            }
        }
        let stray = table.keys().find(|name| *name != "kind").cloned();
        let kind: Partitioner = table.try_into().map_err(|error: toml::de::Error| {
            let message = error.message().trim().to_string();
            let known = if message.starts_with("unknown field") { ", or `min_size`" } else { "" };
            D::Error::custom(message + known)
        })?;
        use Partitioner::{Exponential, Iid, Linear, Square};
        if let (Iid | Linear | Square | Exponential, Some(stray)) = (&kind, stray) {
            return Err(D::Error::custom(format!("unknown field `{stray}`, expected `kind` or `min_size`")));
        }
        Ok(Self { kind, min_size: min_size.unwrap_or(1) })
    }
}
