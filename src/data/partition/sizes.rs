//! Parts of given sizes, dealt at random.

use super::parts::{Parts, shuffled};
use crate::text::counted;
use crate::{Error, Result};
use rand_chacha::ChaCha8Rng;

/// Samples at random in parts of these sizes.
pub(super) fn cut(samples: usize, sizes: &[usize], rng: &mut ChaCha8Rng) -> Parts {
    let indices = shuffled(samples, rng);
    let mut rest = indices.as_slice();
    let mut parts = Vec::with_capacity(sizes.len());
    for &size in sizes {
        let (part, others) = rest.split_at(size.min(rest.len()));
        parts.push(part.to_vec());
        rest = others;
    }
    parts
}

/// Sizes that differ by 1 at most and sum to `samples`.
pub(super) fn even_sizes(samples: usize, collaborators: usize) -> Vec<usize> {
    let larger = samples % collaborators;
    (0..collaborators).map(|who| samples / collaborators + usize::from(who < larger)).collect()
}

/// Sizes in proportion to `units` of the collaborators' numbers from 1 on, rounded down; what that leaves goes to the
/// last. `units` gets the number of collaborators too, so that it need not overflow.
pub(super) fn growing(samples: usize, collaborators: usize, units: fn(f64, f64) -> f64) -> Vec<usize> {
    let units: Vec<f64> = (1..=collaborators).map(|who| units(who as f64, collaborators as f64)).collect();
    let total: f64 = units.iter().sum();
    let mut sizes: Vec<usize> = units.iter().map(|unit| (unit / total * samples as f64) as usize).collect();
    let dealt: usize = sizes.iter().sum();
    if let Some(last) = sizes.last_mut() {
        *last += samples.saturating_sub(dealt);
    }
    sizes
}

/// Refuses sizes that are not one for each collaborator, or more than there are samples for.
pub(super) fn check_sizes(sizes: &[usize], collaborators: usize, samples: usize) -> Result<()> {
    let field = "partition.partition_sizes";
    if sizes.len() != collaborators {
        let problem =
            format!("{} for {}", counted(sizes.len(), "size"), counted(collaborators, "collaborator"));
        return Err(Error::setting(field, problem, "give one for each collaborator"));
    }
    let sum = sizes.iter().fold(0usize, |sum, size| sum.saturating_add(*size));
    if sum > samples {
        let problem =
            format!("they sum to {}, and there are {}", counted(sum, "sample"), counted(samples, "sample"));
        return Err(Error::setting(field, problem, "make them smaller, or deal out more images"));
    }
    Ok(())
}
