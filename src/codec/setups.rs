//! What learned stages have come to in this run: pipelines with the same one learn it once.

use super::kept::Kept;
use super::learned::Learned;
use std::collections::BTreeMap;

/// What a learned stage came to.
pub(super) struct Setup {
    /// What each collaborator keeps.
    pub kept: Vec<Kept>,
    /// What each of them ships.
    pub shipped: Vec<Vec<u8>>,
    /// How it went.
    pub learned: Learned,
}

/// The learned stages of a run's pipelines, by their labels.
#[derive(Default)]
pub struct Setups {
    /// How many pipelines have each, of those that have not been set up.
    left: BTreeMap<String, usize>,
    done: BTreeMap<String, Setup>,
}

impl Setups {
    /// For pipelines with these learned stages.
    pub fn of(labels: impl Iterator<Item = String>) -> Self {
        let mut setups = Self::default();
        labels.for_each(|label| *setups.left.entry(label).or_default() += 1);
        setups
    }

    /// What a stage of this label came to.
    pub(super) fn find(&self, label: &str) -> Option<&Setup> {
        self.done.get(label)
    }

    /// Whether pipelines besides the one that is set up now wait for a stage of this label.
    pub(super) fn is_awaited(&self, label: &str) -> bool {
        self.left.get(label).is_some_and(|&left| left > 1)
    }

    /// Keeps what a stage of this label came to.
    pub(super) fn put(&mut self, label: String, setup: Setup) {
        self.done.insert(label, setup);
    }

    /// One of the pipelines that wait for this stage has been set up, here or before. What no other waits for is
    /// forgotten.
    pub fn pass(&mut self, label: &str) {
        let left = self.left.entry(label.into()).or_default();
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.done.remove(label);
        }
    }
}
