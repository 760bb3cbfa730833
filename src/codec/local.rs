//! The data of the collaborators of a round, for stages that train on it before they send.

use crate::model::ClassifierSpec;
use crate::training::ResidentImages;
use std::cell::RefCell;

/// The order in which a collaborator sees its own images in an epoch, by id and number of the epoch.
pub type OrderOf<'a> = dyn Fn(u32, u64) -> Vec<u32> + 'a;

/// What collaborators train with.
pub struct LocalData<'a> {
    /// The classifier.
    pub spec: &'a ClassifierSpec,
    /// The images of all collaborators.
    pub images: &'a ResidentImages,
    /// Images per step.
    pub batch: usize,
    /// Images of the collaborator that has most.
    pub largest_share: usize,
    /// How many collaborators train together at most.
    pub most_together: usize,
    /// Whose images come in which order.
    pub order: &'a OrderOf<'a>,
    /// Hears of steps that were taken.
    pub progress: RefCell<&'a mut dyn FnMut(u32)>,
}

impl std::fmt::Debug for LocalData<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalData").field("spec", &self.spec.name).field("batch", &self.batch).finish()
    }
}
