//! How many samples everybody gets at least.

use super::parts::Parts;
use crate::text::counted;
use crate::{Error, Result};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Gives each collaborator with fewer than `least` samples as many as it lacks, each from the collaborator with the
/// most. There have to be enough for all.
pub(super) fn feed(parts: &mut Parts, least: usize) {
    let mut by_size: BinaryHeap<_> = (0..parts.len()).map(|who| (parts[who].len(), Reverse(who))).collect();
    for hungry in 0..parts.len() {
        while parts[hungry].len() < least {
            let Some((size, Reverse(largest))) = by_size.pop() else { return };
            // Entries of collaborators that have been fed since are out of date.
            if size != parts[largest].len() {
                continue;
            }
            let Some(sample) = parts[largest].pop() else { return };
            by_size.push((parts[largest].len(), Reverse(largest)));
            parts[hungry].push(sample);
        }
        by_size.push((parts[hungry].len(), Reverse(hungry)));
    }
}

/// Refuses parts with fewer than `least` samples.
pub(super) fn check(parts: &Parts, least: usize) -> Result<()> {
    let few = parts.iter().filter(|part| part.len() < least).count();
    if few == 0 {
        return Ok(());
    }
    let (smallest, all) = (parts.iter().map(Vec::len).min().unwrap_or(0), parts.len());
    let problem = format!(
        "{few} of {} would get fewer than {}",
        counted(all, "collaborator"),
        counted(least, "sample")
    );
    let mend = format!("take fewer collaborators or more images, or set it to {smallest}");
    Err(Error::setting("partition.min_size", problem, mend))
}
