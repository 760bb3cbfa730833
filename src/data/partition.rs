//! Deals the samples of a data set out to collaborators, under the names of flwr-datasets.
//!
//! Every sample goes to exactly one collaborator, and every collaborator gets one. All draws come from one
//! seeded generator; only `dirichlet` computes with floating point, where the logarithm of another
//! platform's mathematics library could in principle move a single sample.

use super::order::shuffle_in_place;
use crate::text::counted;
use crate::{Error, Result};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// How samples are dealt out. In TOML: `{ kind = "dirichlet", alpha = 0.5 }`.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Partitioner {
    /// At random, in parts whose sizes differ by 1 at most.
    #[default]
    Iid,
    /// Each class is split in proportions drawn from a symmetric Dirichlet distribution. A collaborator that a small
    /// alpha leaves without a sample gets one from the collaborator with the most.
    Dirichlet {
        /// Concentration: 0.1 gives nearly one class each, 100 is nearly iid.
        alpha: f64,
    },
    /// Samples sorted by class are cut into shards of equal size, dealt at random (McMahan et al.).
    Shard {
        /// Shards each collaborator gets.
        shards_per_collaborator: usize,
    },
    /// Every collaborator holds exactly this many classes; each class is shared evenly by its holders.
    Pathological {
        /// Classes each collaborator gets.
        classes_per_collaborator: usize,
    },
}

/// The sample indices of every collaborator.
type Parts = Vec<Vec<usize>>;

/// The sample indices of every collaborator, ascending. The same labels and seed give the same parts.
pub fn partition(labels: &[u8], collaborators: usize, partitioner: &Partitioner, seed: u64) -> Result<Parts> {
    if collaborators == 0 {
        return Err(Error::setting("collaborators", "there are none", "set it to 1 or more"));
    }
    if labels.len() < collaborators {
        let (samples, takers) = (counted(labels.len(), "sample"), counted(collaborators, "collaborator"));
        let problem = format!("{samples} cannot give {takers} one each");
        return Err(Error::setting("collaborators", problem, format!("set it to {} or less", labels.len())));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut parts = match *partitioner {
        Partitioner::Iid => iid(labels.len(), collaborators, &mut rng),
        Partitioner::Dirichlet { alpha } => dirichlet(labels, collaborators, alpha, &mut rng)?,
        Partitioner::Shard { shards_per_collaborator } => {
            shard(labels, collaborators, shards_per_collaborator, &mut rng)?
        }
        Partitioner::Pathological { classes_per_collaborator } => {
            pathological(labels, collaborators, classes_per_collaborator, &mut rng)?
        }
    };
    parts.iter_mut().for_each(|part| part.sort_unstable());
    Ok(parts)
}

fn iid(samples: usize, collaborators: usize, rng: &mut ChaCha8Rng) -> Parts {
    let mut indices: Vec<usize> = (0..samples).collect();
    shuffle_in_place(&mut indices, rng);
    even_parts(&indices, collaborators).map(<[usize]>::to_vec).collect()
}

/// Cuts a slice into parts whose sizes differ by 1 at most.
fn even_parts<T>(items: &[T], parts: usize) -> impl Iterator<Item = &[T]> {
    let (size, larger) = (items.len() / parts, items.len() % parts);
    let start = move |part: usize| part * size + part.min(larger);
    (0..parts).map(move |part| &items[start(part)..start(part + 1)])
}

/// The samples of every class that occurs, in random order.
fn by_class(labels: &[u8], rng: &mut ChaCha8Rng) -> Vec<(u8, Vec<usize>)> {
    let mut classes = vec![Vec::new(); 256];
    for (index, &label) in labels.iter().enumerate() {
        classes[usize::from(label)].push(index);
    }
    let mut classes: Vec<_> = (0..=255).zip(classes).filter(|(_, samples)| !samples.is_empty()).collect();
    classes.iter_mut().for_each(|(_, samples)| shuffle_in_place(samples, rng));
    classes
}

fn dirichlet(labels: &[u8], collaborators: usize, alpha: f64, rng: &mut ChaCha8Rng) -> Result<Parts> {
    // Within these bounds no logarithm below overflows.
    if !(1e-6..=1e9).contains(&alpha) {
        let mend = "set it between 0.000001 and 1000000000, for example to 0.5";
        return Err(Error::setting("partition.alpha", format!("{alpha} is not a concentration"), mend));
    }
    let mut parts = vec![Vec::new(); collaborators];
    for (_, samples) in by_class(labels, rng) {
        let shares = dirichlet_shares(collaborators, alpha, rng);
        let (mut cumulated, mut start) = (0.0, 0);
        for (collaborator, share) in shares.into_iter().enumerate() {
            cumulated += share;
            let end = if collaborator + 1 == collaborators {
                samples.len()
            } else {
                // Rounding may carry the sum of the shares a hair past 1.
                ((cumulated * samples.len() as f64).round() as usize).clamp(start, samples.len())
            };
            parts[collaborator].extend(&samples[start..end]);
            start = end;
        }
    }
    feed_the_empty(&mut parts);
    Ok(parts)
}

/// Gives each collaborator without a sample one from the collaborator with the most. There are enough for all.
fn feed_the_empty(parts: &mut [Vec<usize>]) {
    for empty in 0..parts.len() {
        if parts[empty].is_empty() {
            let largest = (0..parts.len()).max_by_key(|&part| (parts[part].len(), std::cmp::Reverse(part)));
            if let Some(sample) = largest.and_then(|largest| parts[largest].pop()) {
                parts[empty].push(sample);
            }
        }
    }
}

/// Proportions that sum to 1: gamma variates over their sum. Taken as logarithms, because with a small
/// alpha all of them would round to 0.
fn dirichlet_shares(count: usize, alpha: f64, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let logarithms: Vec<f64> = (0..count).map(|_| ln_gamma_variate(alpha, rng)).collect();
    let largest = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logarithms.iter().map(|ln| (ln - largest).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// The logarithm of a gamma variate (Marsaglia and Tsang, 2000); a shape below 1 is raised by one and
/// brought back by a power of a uniform variate.
fn ln_gamma_variate(shape: f64, rng: &mut ChaCha8Rng) -> f64 {
    if shape < 1.0 {
        return ln_gamma_variate(shape + 1.0, rng) + uniform(rng).ln() / shape;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(rng);
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && uniform(rng).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return (d * v).ln();
        }
    }
}

/// Uniform in (0, 1]: never 0, whose logarithm does not exist.
fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    ((rng.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64
}

/// A standard normal variate (Marsaglia's polar method).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    loop {
        let (x, y) = (2.0 * uniform(rng) - 1.0, 2.0 * uniform(rng) - 1.0);
        let square = x * x + y * y;
        if square > 0.0 && square < 1.0 {
            return x * (-2.0 * square.ln() / square).sqrt();
        }
    }
}

fn shard(labels: &[u8], collaborators: usize, each: usize, rng: &mut ChaCha8Rng) -> Result<Parts> {
    let field = "partition.shards_per_collaborator";
    if each == 0 {
        return Err(Error::setting(field, "nobody would get a sample", "set it to 1 or more"));
    }
    let shards = collaborators.saturating_mul(each);
    if shards > labels.len() {
        let (samples, shards) = (counted(labels.len(), "sample"), counted(each, "shard"));
        let takers = counted(collaborators, "collaborator");
        let problem = format!("{samples} cannot be cut into {shards} for each of {takers}");
        let mend = format!("set it to {} or less", labels.len() / collaborators);
        return Err(Error::setting(field, problem, mend));
    }
    let sorted: Vec<usize> = by_class(labels, rng).into_iter().flat_map(|(_, samples)| samples).collect();
    let mut dealt: Vec<&[usize]> = even_parts(&sorted, shards).collect();
    shuffle_in_place(&mut dealt, rng);
    Ok(dealt.chunks(each).map(<[_]>::concat).collect())
}

fn pathological(labels: &[u8], collaborators: usize, each: usize, rng: &mut ChaCha8Rng) -> Result<Parts> {
    let field = "partition.classes_per_collaborator";
    let classes = by_class(labels, rng);
    if each == 0 || each > classes.len() {
        let problem = format!("nobody can hold {each} of the {} classes that occur", classes.len());
        return Err(Error::setting(field, problem, format!("set it between 1 and {}", classes.len())));
    }
    if collaborators.saturating_mul(each) < classes.len() {
        let (holders, all) = (counted(collaborators, "collaborator"), classes.len());
        let problem = format!("{holders} with {each} each leave some of the {all} classes to nobody");
        let mend = format!("set it to {} or more", all.div_ceil(collaborators));
        return Err(Error::setting(field, problem, mend));
    }
    // Each collaborator in turn takes the classes with the fewest holders so far, ties broken at random: the
    // numbers of holders differ by 1 at most, so that no class is left over.
    let mut holders = vec![Vec::new(); classes.len()];
    let mut turns: Vec<usize> = (0..collaborators).collect();
    shuffle_in_place(&mut turns, rng);
    for collaborator in turns {
        let mut choice: Vec<usize> = (0..classes.len()).collect();
        shuffle_in_place(&mut choice, rng);
        choice.sort_by_key(|&class| holders[class].len());
        choice[..each].iter().for_each(|&class| holders[class].push(collaborator));
    }
    let mut parts = vec![Vec::new(); collaborators];
    for ((class, samples), holders) in classes.iter().zip(&holders) {
        if samples.len() < holders.len() {
            let (there, takers) = (counted(samples.len(), "sample"), counted(holders.len(), "collaborator"));
            let problem = format!("class {class} has {there} for the {takers} that would hold it");
            return Err(Error::setting(field, problem, "set it lower, or take fewer collaborators"));
        }
        for (&holder, share) in holders.iter().zip(even_parts(samples, holders.len())) {
            parts[holder].extend(share);
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dirichlet_shares_have_the_right_mean_and_spread() {
        // Var of one share is (1/k)(1 - 1/k) / (k alpha + 1).
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        for alpha in [0.3, 1.0, 4.0] {
            let draws: Vec<f64> = (0..20_000).map(|_| dirichlet_shares(4, alpha, &mut rng)[0]).collect();
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
            let expected = 0.25 * 0.75 / (4.0 * alpha + 1.0);
            assert!((mean - 0.25).abs() < 0.01, "alpha {alpha}: mean {mean}");
            assert!(
                (variance / expected - 1.0).abs() < 0.06,
                "alpha {alpha}: {variance} instead of {expected}"
            );
        }
    }
}
