//! Masks over frozen weights: what a network's weights are by its scores, and the gradient of the scores.

use super::expect_len;
use super::random::pcg4d;

/// sigmoid(score)
pub fn probability(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

/// What the draws of a step depend on, besides the parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawAt {
    /// Place in the epoch of the step's first sample.
    pub place: u32,
    /// The collaborator's id.
    pub who: u32,
    /// The number of the epoch.
    pub epoch: u32,
    /// The seed.
    pub seed: u32,
}

/// A number in `[0, 1)` for each of these parameters.
pub fn uniform(numbers: &[u32], at: DrawAt) -> Vec<f64> {
    let [x, y, z, _] = pcg4d([at.place, at.who, at.epoch, at.seed]);
    let bits = |&number: &u32| pcg4d([number, x, y, z])[0] >> 8;
    numbers.iter().map(|number| f64::from(bits(number)) / 16_777_216.0).collect()
}

/// `frozen [P]` where `drawn [P]` is below the probability of `scores [P]`, and zero elsewhere.
pub fn draw(scores: &[f64], frozen: &[f64], drawn: &[f64]) -> Vec<f64> {
    expect_len("frozen", frozen.len(), scores.len());
    expect_len("drawn", drawn.len(), scores.len());
    let kept = |i: usize| if drawn[i] < probability(scores[i]) { frozen[i] } else { 0.0 };
    (0..scores.len()).map(kept).collect()
}

/// `frozen [P]` where a score is the threshold of its tensor or more, and zero elsewhere.
pub fn keep(scores: &[f64], frozen: &[f64], tensors: &[u32], thresholds: &[f64]) -> Vec<f64> {
    expect_len("frozen", frozen.len(), scores.len());
    expect_len("tensors", tensors.len(), scores.len());
    let kept = |i: usize| if scores[i] >= thresholds[tensors[i] as usize] { frozen[i] } else { 0.0 };
    (0..scores.len()).map(kept).collect()
}

/// The largest score that `kept` scores of a tensor are as large as, in the order of `f64::total_cmp`.
pub fn threshold(scores: &[f64], kept: usize) -> f64 {
    let mut sorted = scores.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    sorted[kept - 1]
}

/// `|frozen| [P]` with the signs of the scores, that of zero being positive.
pub fn sign(scores: &[f64], frozen: &[f64]) -> Vec<f64> {
    expect_len("frozen", frozen.len(), scores.len());
    let signed = |i: usize| if scores[i] < 0.0 { -frozen[i].abs() } else { frozen[i].abs() };
    (0..scores.len()).map(signed).collect()
}

/// The gradient of scores that are the log-odds of a Bernoulli mask, from that of the effective weights, `slopes [P]`.
pub fn bernoulli_gradient(slopes: &[f64], frozen: &[f64], scores: &[f64]) -> Vec<f64> {
    expect_len("frozen", frozen.len(), slopes.len());
    expect_len("scores", scores.len(), slopes.len());
    let of = |i: usize| {
        let p = probability(scores[i]);
        slopes[i] * frozen[i] * p * (1.0 - p)
    };
    (0..slopes.len()).map(of).collect()
}

/// The gradient of scores that are held against a threshold: as if a score were the mask itself.
pub fn threshold_gradient(slopes: &[f64], frozen: &[f64]) -> Vec<f64> {
    expect_len("frozen", frozen.len(), slopes.len());
    slopes.iter().zip(frozen).map(|(slope, frozen)| slope * frozen).collect()
}

/// The gradient of scores of which the signs count: as if a score were its sign.
pub fn sign_gradient(slopes: &[f64], frozen: &[f64]) -> Vec<f64> {
    expect_len("frozen", frozen.len(), slopes.len());
    slopes.iter().zip(frozen).map(|(slope, frozen)| slope * frozen.abs()).collect()
}
