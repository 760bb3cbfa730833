//! A part of a model's weights.

use std::ops::Range;

/// The weights of a part of a model: runs of neighbours, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubModel(Vec<Range<usize>>);

impl SubModel {
    /// Of these runs, which are in order. Those that touch each other become one.
    pub fn new(runs: impl IntoIterator<Item = Range<usize>>) -> Self {
        let mut joined: Vec<Range<usize>> = Vec::new();
        for run in runs {
            match joined.last_mut() {
                Some(last) if last.end == run.start => last.end = run.end,
                _ => joined.push(run),
            }
        }
        Self(joined)
    }

    /// How many weights it has.
    pub fn len(&self) -> usize {
        self.0.iter().map(Range::len).sum()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its weights, of those of the whole model.
    pub fn take(&self, whole: &[f32]) -> Vec<f32> {
        let runs = self.0.iter().map(|run| &whole[run.clone()]);
        runs.flatten().copied().collect()
    }

    /// Puts its weights, as many as it has, in place of those of the whole model.
    pub fn put(&self, weights: &[f32], whole: &mut [f32]) {
        let places = self.0.iter().cloned().flatten();
        places.zip(weights).for_each(|(place, weight)| whole[place] = *weight);
    }
}
