//! A round with Gaussian noise, as far as privacy depends on it.

use super::poisson;
use super::without_replacement::Bound;
use serde::{Deserialize, Serialize};

/// How a round takes collaborators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampling {
    /// A number that is always the same, each set of so many as likely as any other. All of them where the rate is 1.
    WithoutReplacement,
    /// Each by a coin of its own, so that the number differs from round to round.
    Poisson,
}

/// Which two federations nobody can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Neighbours {
    /// One collaborator's data are others: clipped updates then differ by up to twice the norm they are clipped to.
    ReplaceOne,
    /// One collaborator more or less: sums then differ by up to the norm that updates are clipped to.
    AddOrRemoveOne,
}

impl Sampling {
    /// The relation for which rounds that take collaborators so are accounted for.
    pub fn neighbours(self) -> Neighbours {
        match self {
            Self::WithoutReplacement => Neighbours::ReplaceOne,
            Self::Poisson => Neighbours::AddOrRemoveOne,
        }
    }
}

impl Neighbours {
    /// By how much a sum of updates that are clipped to norm 1 can differ.
    pub fn sensitivity(self) -> f64 {
        match self {
            Self::ReplaceOne => 2.0,
            Self::AddOrRemoveOne => 1.0,
        }
    }
}

/// One round: a sum of clipped updates of those that it takes, and Gaussian noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mechanism {
    /// Standard deviation of the noise on the sum, over the norm that updates are clipped to.
    pub noise: f64,
    /// The part of all collaborators that a round takes, or the probability with which it takes one: 0 to 1.
    pub rate: f64,
    /// How it takes them.
    pub sampling: Sampling,
}

impl Mechanism {
    /// Renyi divergence of a round at each of these orders, which are above 1. Infinite without noise.
    pub fn divergences(&self, orders: &[f64]) -> Vec<f64> {
        let noise = self.noise / self.sampling.neighbours().sensitivity();
        let all = |divergence: &dyn Fn(f64) -> f64| orders.iter().map(|&order| divergence(order)).collect();
        if self.rate <= 0.0 {
            return all(&|_| 0.0);
        }
        if noise <= 0.0 {
            return all(&|_| f64::INFINITY);
        }
        if self.rate >= 1.0 {
            return all(&|order| order / (2.0 * noise * noise));
        }
        match self.sampling {
            Sampling::Poisson => all(&|order| poisson::divergence(self.rate, noise, order)),
            Sampling::WithoutReplacement => {
                let bound = Bound::new(self.rate, noise, orders.iter().copied().fold(2.0, f64::max));
                // Taking some tells no more than taking all.
                all(&|order| bound.divergence(order).min(order / (2.0 * noise * noise)))
            }
        }
    }
}
