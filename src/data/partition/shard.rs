//! Shards of samples sorted by class.

use super::kind::Shards;
use super::parts::{Parts, by_class, even_parts};
use crate::data::order::shuffle_in_place;
use crate::text::counted;
use crate::{Error, Result};
use rand_chacha::ChaCha8Rng;

const EACH: &str = "partition.shards_per_collaborator";
const SIZE: &str = "partition.shard_size";

pub(super) fn shard(
    labels: &[u8],
    collaborators: usize,
    shards: &Shards,
    rng: &mut ChaCha8Rng,
) -> Result<Parts> {
    if shards.keep_incomplete_shard && shards.shards_per_collaborator.is_some() {
        let problem = "shards_per_collaborator says how many shards there are";
        return Err(Error::setting("partition.keep_incomplete_shard", problem, "leave one of the two out"));
    }
    match (shards.shards_per_collaborator, shards.shard_size) {
        (Some(0), _) => Err(Error::setting(EACH, "nobody would get a sample", "set it to 1 or more")),
        (_, Some(0)) => Err(Error::setting(SIZE, "nobody would get a sample", "set it to 1 or more")),
        (each, Some(size)) => sized(labels, collaborators, each, (size, shards.keep_incomplete_shard), rng),
        (each, None) => {
            let each = each.unwrap_or(1);
            let wanted = collaborators.saturating_mul(each);
            if wanted > labels.len() {
                let (samples, shards) = (counted(labels.len(), "sample"), counted(each, "shard"));
                let takers = counted(collaborators, "collaborator");
                let problem = format!("{samples} cannot be cut into {shards} for each of {takers}");
                let mend = match labels.len() / collaborators {
                    0 => "take fewer collaborators".into(),
                    most => format!("set it to {most} or less"),
                };
                return Err(Error::setting(EACH, problem, mend));
            }
            let sorted = sorted(labels, rng);
            let mut dealt: Vec<&[usize]> = even_parts(&sorted, wanted).collect();
            shuffle_in_place(&mut dealt, rng);
            Ok(dealt.chunks(each).map(<[_]>::concat).collect())
        }
    }
}

/// Shards of one size, of which the last may be smaller: so many for each, or all of them.
fn sized(
    labels: &[u8],
    collaborators: usize,
    each: Option<usize>,
    (size, keep_incomplete): (usize, bool),
    rng: &mut ChaCha8Rng,
) -> Result<Parts> {
    let whole = labels.len() / size;
    let there = if keep_incomplete { labels.len().div_ceil(size) } else { whole };
    let wanted = collaborators.saturating_mul(each.unwrap_or(1));
    if there < wanted {
        let (samples, takers) = (counted(labels.len(), "sample"), counted(collaborators, "collaborator"));
        let wanted = counted(each.unwrap_or(1), "shard");
        let problem = format!(
            "{samples} make {} of {size}, not {wanted} for each of {takers}",
            counted(there, "shard")
        );
        return Err(Error::setting(SIZE, problem, "set it lower, or take fewer collaborators"));
    }
    let sorted = sorted(labels, rng);
    let mut dealt: Vec<&[usize]> = sorted.chunks(size).take(there).collect();
    shuffle_in_place(&mut dealt, rng);
    Ok(match each {
        Some(each) => dealt.chunks(each).take(collaborators).map(<[_]>::concat).collect(),
        // The first ones get one more where the shards do not divide evenly.
        None => even_parts(&dealt, collaborators).map(<[_]>::concat).collect(),
    })
}

fn sorted(labels: &[u8], rng: &mut ChaCha8Rng) -> Vec<usize> {
    by_class(labels, rng).into_iter().flat_map(|(_, samples)| samples).collect()
}
