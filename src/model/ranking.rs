//! Rankings of a model's weights: for each of its matrices, which place is how important.

use super::Layout;
use std::ops::Range;

/// The tensors of a model that have a ranking: those of two axes or more. Of biases, which frozen networks do not have,
/// it says nothing.
///
/// A ranking `[P]` lies as the model does. In each of these tensors it is a permutation of the whole numbers below the
/// tensor's length, 0 for the least important place, and elsewhere 0.
#[derive(Clone, Debug)]
pub struct Ranking {
    tensors: Vec<Range<usize>>,
    parameters: usize,
}

/// How many of so many weights are kept where this part of them is, one at least.
pub fn kept_of(count: usize, part: f64) -> usize {
    ((part * count as f64).round() as usize).clamp(1, count.max(1))
}

/// A whole number in whose order values are; what is no number comes first, and zeros are alike.
fn order(value: f32) -> u32 {
    if value.is_nan() {
        return 0;
    }
    let bits = (value + 0.0).to_bits();
    if value.is_sign_negative() && value != 0.0 { !bits } else { bits | 1 << 31 }
}

/// The places of values from the smallest on, those of equal ones in their own order.
fn places(values: &[f32]) -> Vec<u32> {
    let key = |(place, &value): (u64, &f32)| u64::from(order(value)) << 32 | place;
    let mut keys: Vec<_> = (0..).zip(values).map(key).collect();
    keys.sort_unstable();
    keys.into_iter().map(|key| key as u32).collect()
}

/// Whether values are a permutation of the whole numbers below their count.
fn is_permutation(values: &[f32]) -> bool {
    let mut is_there = vec![false; values.len()];
    values.iter().all(|&value| {
        let rank = value as usize;
        let is_new = rank as f32 == value && is_there.get(rank) == Some(&false);
        if is_new {
            is_there[rank] = true;
        }
        is_new
    })
}

/// Gives each place its rank, where `places` are in the order of their ranks.
fn put_ranks(places: &[u32], ranks: &mut [f32]) {
    for (rank, &place) in places.iter().enumerate() {
        ranks[place as usize] = rank as f32;
    }
}

impl Ranking {
    /// Weights of a tensor at most: all whole numbers up to here are floats.
    pub const MOST: usize = 1 << 24;

    /// Of the models of a layout.
    pub fn new(layout: &Layout) -> Self {
        let matrices = layout.tensors().iter().filter(|tensor| tensor.shape.len() > 1);
        let tensors = matrices.map(|tensor| tensor.range.clone()).collect();
        Self { tensors, parameters: layout.parameters() }
    }

    /// The tensors that are ranked, in order.
    pub fn tensors(&self) -> &[Range<usize>] {
        &self.tensors
    }

    /// P
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// Weights of the largest tensor.
    pub fn largest(&self) -> usize {
        self.tensors.iter().map(Range::len).max().unwrap_or(0)
    }

    /// The ranking of any values `[P]`: equal ones by their places, and what is no number before all others. That of a
    /// ranking is that ranking.
    pub fn of(&self, values: &[f32]) -> Vec<f32> {
        let mut ranking = vec![0.0; self.parameters];
        for tensor in &self.tensors {
            let (own, ranks) = (&values[tensor.clone()], &mut ranking[tensor.clone()]);
            if is_permutation(own) {
                ranks.copy_from_slice(own);
            } else {
                put_ranks(&places(own), ranks);
            }
        }
        ranking
    }

    /// The ranking that several come to by a vote (FRL, Mozaffari et al. 2021, algorithm 2): a place's reputation is the
    /// sum of its ranks, and places are ranked by that, equal ones by their places.
    pub fn vote(&self, rankings: &[Vec<f32>]) -> Vec<f32> {
        let mut ranking = vec![0.0; self.parameters];
        for tensor in &self.tensors {
            let mut reputations = vec![0u64; tensor.len()];
            for voter in rankings {
                let add = |(sum, &rank): (&mut u64, &f32)| *sum += rank as u64;
                reputations.iter_mut().zip(&voter[tensor.clone()]).for_each(add);
            }
            let mut places: Vec<_> = (0..tensor.len() as u32).collect();
            places.sort_unstable_by_key(|&place| (reputations[place as usize], place));
            put_ranks(&places, &mut ranking[tensor.clone()]);
        }
        ranking
    }

    /// As near to a ranking as to its reverse: the middle rank of each tensor.
    pub fn middle(&self) -> Vec<f32> {
        let mut middle = vec![0.0; self.parameters];
        for tensor in &self.tensors {
            middle[tensor.clone()].fill((tensor.len().max(1) - 1) as f32 / 2.0);
        }
        middle
    }

    /// The values `[P]` of each tensor, put where the ranking has them from the smallest on.
    pub fn arranged(&self, ranking: &[f32], values: &[f32]) -> Vec<f32> {
        let mut arranged = values.to_vec();
        for tensor in &self.tensors {
            let mut sorted = values[tensor.clone()].to_vec();
            sorted.sort_unstable_by(f32::total_cmp);
            let ranks = &ranking[tensor.clone()];
            arranged[tensor.clone()]
                .iter_mut()
                .zip(ranks)
                .for_each(|(to, &rank)| *to = sorted[rank as usize]);
        }
        arranged
    }

    /// Which weights a network keeps of each tensor: this part, those of the highest ranks.
    pub fn kept(&self, ranking: &[f32], part: f64) -> Vec<bool> {
        let mut kept = vec![false; self.parameters];
        for tensor in &self.tensors {
            let least = (tensor.len() - kept_of(tensor.len(), part)) as f32;
            let ranks = &ranking[tensor.clone()];
            kept[tensor.clone()].iter_mut().zip(ranks).for_each(|(kept, &rank)| *kept = rank >= least);
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A matrix of 2 x 2, a bias of 2 and a matrix of 1 x 3.
    fn ranking() -> Ranking {
        let tensors = [("0.weight", vec![2, 2]), ("0.bias", vec![2]), ("1.weight", vec![1, 3])];
        Ranking::new(&Layout::new(tensors.map(|(name, shape)| (name.to_string(), shape))))
    }

    #[test]
    fn values_are_ranked_in_each_matrix_and_equal_ones_by_place() {
        let ranking = ranking();
        let values = [0.5, -1.0, 0.5, -0.0, 9.0, 9.0, f32::NAN, f32::INFINITY, -7.0];
        assert_eq!(ranking.of(&values), [2.0, 0.0, 3.0, 1.0, 0.0, 0.0, 0.0, 2.0, 1.0]);
        let own = ranking.of(&values);
        assert_eq!(ranking.of(&own), own);
        // Zeros of both signs are alike, and negative numbers are below them.
        let zeros = [0.0, -0.0, -1e-30, 1e-30, 0.0, 0.0, -1.0, -2.0, -3.0];
        assert_eq!(ranking.of(&zeros), [1.0, 2.0, 0.0, 3.0, 0.0, 0.0, 2.0, 1.0, 0.0]);
        // A rank twice, or one of a half, is no ranking.
        assert_eq!(ranking.of(&[1.0, 1.0, 0.5, 3.0, 0.0, 0.0, 2.0, 1.0, 0.0])[..4], [1.0, 2.0, 0.0, 3.0]);
    }

    #[test]
    fn a_ranking_turned_around_its_middle_is_its_reverse() {
        let ranking = ranking();
        let own = [2.0, 0.0, 3.0, 1.0, 0.0, 0.0, 0.0, 2.0, 1.0];
        let turned: Vec<_> =
            ranking.middle().iter().zip(own).map(|(middle, rank)| 2.0 * middle - rank).collect();
        assert_eq!(turned, [1.0, 3.0, 0.0, 2.0, 0.0, 0.0, 2.0, 0.0, 1.0]);
    }

    #[test]
    fn values_are_arranged_by_ranks_and_the_highest_are_kept() {
        let ranking = ranking();
        let own = [2.0, 0.0, 3.0, 1.0, 0.0, 0.0, 0.0, 2.0, 1.0];
        let values = [0.4, 0.3, 0.2, 0.1, 5.0, 6.0, 0.9, 0.8, 0.7];
        assert_eq!(ranking.arranged(&own, &values), [0.3, 0.1, 0.4, 0.2, 5.0, 6.0, 0.7, 0.9, 0.8]);
        let kept = ranking.kept(&own, 0.5);
        assert_eq!(kept, [true, false, true, false, false, false, false, true, true]);
        assert_eq!(ranking.kept(&own, 1e-9).iter().filter(|kept| **kept).count(), 2);
    }
}
