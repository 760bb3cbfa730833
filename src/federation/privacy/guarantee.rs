//! What a federation with noise says of itself.

use super::accountant::Accountant;
use super::mechanism::{Mechanism, Neighbours, Sampling};
use serde::Serialize;

/// The noise of a rule that clips updates and adds noise to their sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrivateNoise {
    /// Standard deviation of the noise on the sum, over the norm that updates are clipped to; where more than the sum is
    /// released, that of one sum that tells as much.
    pub noise: f64,
    /// For which delta an epsilon is stated, where that is said.
    pub delta: Option<f64>,
}

/// All global models of a federation are (epsilon, delta) differentially private for each collaborator.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Guarantee {
    /// Infinite, which JSON has as null, where no order of the accountant bounds it.
    pub epsilon: f64,
    /// For this delta.
    pub delta: f64,
    /// The noise of a round over the norm that updates are clipped to.
    pub noise: f64,
    /// The part of the collaborators that a round takes.
    pub rate: f64,
    /// How it takes them.
    pub sampling: Sampling,
    /// Between which federations.
    pub neighbours: Neighbours,
    /// Rounds.
    pub rounds: u32,
}

/// Delta where none is said: 1e-5, or less where there are more than 35,000 collaborators (`1 / n^1.1`, McMahan et al.
/// 2018). A delta of `1 / n` would allow one of them to be published.
pub fn usual_delta(collaborators: usize) -> f64 {
    (collaborators.max(1) as f64).powf(-1.1).min(1e-5)
}

impl Guarantee {
    /// Of a federation whose rounds take collaborators so.
    pub fn of(own: PrivateNoise, collaborators: usize, rate: f64, sampling: Sampling, rounds: u32) -> Self {
        let mechanism = Mechanism { noise: own.noise, rate, sampling };
        let mut accountant = Accountant::default();
        accountant.add(&mechanism, u64::from(rounds));
        let delta = own.delta.unwrap_or_else(|| usual_delta(collaborators));
        let epsilon = accountant.epsilon(delta);
        let neighbours = sampling.neighbours();
        Self { epsilon, delta, noise: own.noise, rate, sampling, neighbours, rounds }
    }
}
