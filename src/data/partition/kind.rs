//! The ways to deal samples out, under the names of flwr-datasets.

use serde::{Deserialize, Serialize};

/// How samples are dealt out. In TOML: `{ kind = "dirichlet", alpha = 0.5 }`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Partitioner {
    /// At random, in parts whose sizes differ by 1 at most.
    #[default]
    Iid,
    /// Each class is split in proportions drawn from a symmetric Dirichlet distribution. Collaborators that a small
    /// alpha leaves with too few samples get them from the collaborator with the most.
    Dirichlet {
        /// Concentration: 0.1 gives nearly one class each, 100 is nearly iid.
        alpha: f64,
        /// Whether a collaborator with more than an even share gets nothing of the classes that follow.
        #[serde(default, skip_serializing_if = "is_false")]
        self_balancing: bool,
    },
    /// Each collaborator has class proportions of its own, drawn from a symmetric Dirichlet distribution, and draws
    /// its samples by them, in turns at random, as long as a class lasts (Acar et al., 2111.04263).
    InnerDirichlet {
        /// Concentration: 0.1 gives nearly one class each, 100 is nearly iid.
        alpha: f64,
        /// How many samples each collaborator gets; left out, all get as many.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        partition_sizes: Vec<usize>,
    },
    /// Samples sorted by class are cut into shards of equal size, dealt at random (McMahan et al.).
    Shard(Shards),
    /// Every collaborator holds exactly this many classes; each class is shared evenly by its holders.
    Pathological {
        /// Classes each collaborator gets.
        #[serde(alias = "num_classes_per_partition")]
        classes_per_collaborator: usize,
        /// Who gets which.
        #[serde(default, skip_serializing_if = "ClassAssignment::is_default")]
        class_assignment_mode: ClassAssignment,
    },
    /// At random, in parts of given sizes. Samples beyond their sum go to nobody.
    Size {
        /// How many samples each collaborator gets.
        partition_sizes: Vec<usize>,
    },
    /// At random, in parts whose sizes grow as 1, 2, 3 and so on; what rounding leaves goes to the last.
    Linear,
    /// At random, in parts whose sizes grow as 1, 4, 9 and so on; what rounding leaves goes to the last.
    Square,
    /// At random, in parts each e times as large as the one before; what rounding leaves goes to the last.
    Exponential,
    /// Sorted by the mean brightness of the images, with noise, and cut into parts whose sizes differ by 1 at most.
    Continuous {
        /// From 0, noise alone, to 1, brightness alone.
        strictness: f64,
    },
    /// By the groups that the data name, such as who wrote a digit; as many collaborators as there are groups.
    #[serde(alias = "natural")]
    NaturalId {
        /// Groups of each collaborator, neighbours in the order of their names; the last one may get fewer.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        group_size: usize,
    },
}

/// The shards of samples sorted by class.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(try_from = "ShardFields")]
pub struct Shards {
    /// Shards each collaborator gets; left out, as many as there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards_per_collaborator: Option<usize>,
    /// Samples of a shard; left out, as many as use all samples, in shards whose sizes differ by 1 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard_size: Option<usize>,
    /// Whether the samples that are left behind the last whole shard are one more, smaller, shard; where
    /// `shard_size` stands alone.
    #[serde(skip_serializing_if = "is_false")]
    pub keep_incomplete_shard: bool,
}

impl Shards {
    /// So many shards for each collaborator, which use all samples.
    pub fn each(shards_per_collaborator: usize) -> Self {
        let shards_per_collaborator = Some(shards_per_collaborator);
        Self { shards_per_collaborator, shard_size: None, keep_incomplete_shard: false }
    }
}

/// [`Shards`] before it is known that they say enough.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShardFields {
    #[serde(alias = "num_shards_per_partition")]
    shards_per_collaborator: Option<usize>,
    shard_size: Option<usize>,
    #[serde(default)]
    keep_incomplete_shard: bool,
}

impl TryFrom<ShardFields> for Shards {
    type Error = &'static str;

    fn try_from(fields: ShardFields) -> Result<Self, Self::Error> {
        let ShardFields { shards_per_collaborator, shard_size, keep_incomplete_shard } = fields;
        if shards_per_collaborator.is_none() && shard_size.is_none() {
            return Err("missing field `shards_per_collaborator`");
        }
        Ok(Self { shards_per_collaborator, shard_size, keep_incomplete_shard })
    }
}

/// Who gets which classes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassAssignment {
    /// At random, such that the numbers of a class's holders differ by 1 at most and no class is left over.
    #[default]
    Balanced,
    /// At random. Samples of classes that nobody draws go to nobody.
    Random,
    /// The collaborator's number and those that follow it, modulo the number of classes.
    Deterministic,
    /// The collaborator's number modulo the number of classes, and the others at random.
    FirstDeterministic,
}

impl ClassAssignment {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

fn one() -> usize {
    1
}

fn is_one(value: &usize) -> bool {
    *value == 1
}

fn is_false(value: &bool) -> bool {
    !*value
}
