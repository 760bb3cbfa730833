//! What learned stages have come to in this run: pipelines with the same one learn it once.

use super::{Kept, Learned, SetupJob, Stage};
use crate::Result;
use std::collections::BTreeMap;

/// What a learned stage came to.
struct Setup {
    kept: Vec<Kept>,
    shipped: Vec<Vec<u8>>,
    learned: Learned,
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

/// What a stage makes of logs, or what it made of the same ones in another pipeline of this run.
pub(super) fn set_up_once(stage: &dyn Stage, job: &mut SetupJob<'_, '_>) -> Result<Vec<Vec<u8>>> {
    let label = stage.label();
    if let Some(Setup { kept, shipped, learned }) = job.setups.done.get(&label) {
        job.kept.iter_mut().zip(kept).for_each(|(into, kept)| into.clone_from(kept));
        *job.learned = learned.clone();
        return Ok(shipped.clone());
    }
    let shipped = stage.setup(job)?;
    if job.setups.left.get(&label).is_some_and(|&left| left > 1) {
        let kept = job.kept.iter().map(|kept| (**kept).clone()).collect();
        let setup = Setup { kept, shipped: shipped.clone(), learned: job.learned.clone() };
        job.setups.done.insert(label, setup);
    }
    Ok(shipped)
}
