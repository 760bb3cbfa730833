//! What is trained on what.

use super::AutoencoderSettings;
use crate::model::AutoencoderSpec;

/// What is trained on what.
#[derive(Clone, Copy, Debug)]
pub struct Training<'a> {
    /// The shape.
    pub spec: &'a AutoencoderSpec,
    /// How it is trained, and in which space. Of several collaborators the first alone trains in the small one.
    pub settings: &'a AutoencoderSettings,
    /// Seed of initial weights and of the order of snapshots.
    pub seed: u32,
    /// Each collaborator's snapshots.
    pub train: &'a [Vec<&'a [f32]>],
    /// Each collaborator's held-out ones; all collaborators have some, or none has.
    pub held_out: &'a [Vec<&'a [f32]>],
}
