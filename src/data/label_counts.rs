//! How many samples of which class each collaborator holds.

use serde::Serialize;

/// The samples of each class that each collaborator holds.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct LabelCounts(pub Vec<Vec<usize>>);

/// The smallest, the middle and the largest of some numbers.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Spread {
    /// The smallest.
    pub least: usize,
    /// Half of them are no larger; of an even number, the mean of the two in the middle.
    pub median: f64,
    /// The largest.
    pub most: usize,
}

impl LabelCounts {
    /// Of shares, which hold the places of their samples in `labels`, whose classes are below `classes`.
    pub fn of(labels: &[u8], classes: usize, shares: &[Vec<usize>]) -> Self {
        let count = |share: &Vec<usize>| {
            let mut counts = vec![0; classes];
            share.iter().for_each(|&sample| counts[usize::from(labels[sample])] += 1);
            counts
        };
        Self(shares.iter().map(count).collect())
    }

    /// The samples of each collaborator.
    pub fn sizes(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|counts| counts.iter().sum())
    }

    /// The classes of which each collaborator holds a sample.
    pub fn classes_held(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|counts| counts.iter().filter(|count| **count > 0).count())
    }
}

impl Spread {
    /// Of these numbers; all 0 where there are none.
    pub fn of(numbers: impl Iterator<Item = usize>) -> Self {
        let mut numbers: Vec<usize> = numbers.collect();
        numbers.sort_unstable();
        let (Some(&least), Some(&most)) = (numbers.first(), numbers.last()) else { return Self::default() };
        let middle = [numbers[(numbers.len() - 1) / 2], numbers[numbers.len() / 2]];
        Self { least, median: (middle[0] as f64 + middle[1] as f64) / 2.0, most }
    }
}
