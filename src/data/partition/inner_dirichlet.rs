//! Collaborators of given sizes, each with class proportions of its own.

use super::parts::{Parts, by_class};
use super::sizes::{check_sizes, even_sizes};
use super::variates::{check_alpha, dirichlet_shares};
use crate::Result;
use crate::data::order::draw_below;
use crate::data::variates::uniform_above_zero;
use rand_chacha::ChaCha8Rng;

pub(super) fn inner_dirichlet(
    labels: &[u8],
    collaborators: usize,
    (alpha, sizes): (f64, &[usize]),
    rng: &mut ChaCha8Rng,
) -> Result<Parts> {
    check_alpha(alpha)?;
    let sizes = if sizes.is_empty() { even_sizes(labels.len(), collaborators) } else { sizes.to_vec() };
    check_sizes(&sizes, collaborators, labels.len())?;
    let mut classes: Vec<Vec<usize>> =
        by_class(labels, rng).into_iter().map(|(_, samples)| samples).collect();
    let shares: Vec<Vec<f64>> =
        (0..collaborators).map(|_| dirichlet_shares(classes.len(), alpha, rng)).collect();
    let mut parts: Parts = vec![Vec::new(); collaborators];
    let mut open: Vec<usize> = (0..collaborators).filter(|&who| sizes[who] > 0).collect();
    while !open.is_empty() {
        let place = draw_below(open.len() as u64, rng) as usize;
        let who = open[place];
        let class = draw_class(&shares[who], &classes, rng);
        // The sizes do not add up to more than there are, so that no class that is drawn is used up.
        parts[who].extend(classes[class].pop());
        if parts[who].len() == sizes[who] {
            open.swap_remove(place);
        }
    }
    Ok(parts)
}

/// A class that is not used up, by these shares; where those are all of used-up ones, by what is left of each class.
fn draw_class(shares: &[f64], classes: &[Vec<usize>], rng: &mut ChaCha8Rng) -> usize {
    let left = |class: usize| if classes[class].is_empty() { 0.0 } else { shares[class] };
    let sum: f64 = (0..classes.len()).map(left).sum();
    let rest = |class: usize| classes[class].len() as f64;
    if sum > 0.0 {
        walk(classes.len(), uniform_above_zero(rng) * sum, left)
    } else {
        walk(classes.len(), uniform_above_zero(rng) * (0..classes.len()).map(rest).sum::<f64>(), rest)
    }
}

/// The first place up to which the weights sum to `target`, or the last one with any weight.
fn walk(places: usize, target: f64, weight: impl Fn(usize) -> f64) -> usize {
    let (mut sum, mut last) = (0.0, 0);
    for place in (0..places).filter(|&place| weight(place) > 0.0) {
        sum += weight(place);
        last = place;
        if sum >= target {
            break;
        }
    }
    last
}
