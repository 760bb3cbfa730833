//! Classes split in proportions drawn from a Dirichlet distribution.

use super::parts::{Parts, by_class};
use super::variates::{check_alpha, dirichlet_shares};
use crate::Result;
use rand_chacha::ChaCha8Rng;

pub(super) fn dirichlet(
    labels: &[u8],
    collaborators: usize,
    (alpha, self_balancing): (f64, bool),
    rng: &mut ChaCha8Rng,
) -> Result<Parts> {
    check_alpha(alpha)?;
    let mut parts = vec![Vec::new(); collaborators];
    for (_, samples) in by_class(labels, rng) {
        let mut shares = dirichlet_shares(collaborators, alpha, rng);
        if self_balancing {
            leave_out_the_full(&mut shares, &parts, labels.len());
        }
        let (mut cumulated, mut start) = (0.0, 0);
        // Rounding leaves the last samples to the last collaborator that may have some.
        let last = shares.iter().rposition(|share| *share > 0.0).filter(|_| self_balancing);
        let last = last.unwrap_or(collaborators - 1);
        for (collaborator, share) in shares.into_iter().enumerate() {
            cumulated += share;
            let end = if collaborator >= last {
                samples.len()
            } else {
                // Rounding may carry the sum of the shares a hair past 1.
                ((cumulated * samples.len() as f64).round() as usize).clamp(start, samples.len())
            };
            parts[collaborator].extend(&samples[start..end]);
            start = end;
        }
    }
    Ok(parts)
}

/// Sets the shares of collaborators with more than an even share of all samples to 0, and scales the others to a sum
/// of 1.
fn leave_out_the_full(shares: &mut [f64], parts: &[Vec<usize>], samples: usize) {
    let even = samples as f64 / parts.len() as f64;
    let is_full: Vec<bool> = parts.iter().map(|part| part.len() as f64 > even).collect();
    for (share, is_full) in shares.iter_mut().zip(&is_full) {
        if *is_full {
            *share = 0.0;
        }
    }
    let sum: f64 = shares.iter().sum();
    // With a tiny alpha all that is left may be 0; then those who are not full share evenly.
    let open = is_full.iter().filter(|is_full| !**is_full).count() as f64;
    for (share, is_full) in shares.iter_mut().zip(is_full) {
        *share = if sum > 0.0 { *share / sum } else { f64::from(!is_full) / open };
    }
}
