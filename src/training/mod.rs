//! Training and evaluating classifiers, R replicas at a time, on images that lie on the device.

mod batches;
mod code_cohort;
mod cohort;
mod drift;
mod evaluator;
mod hold_out;
mod images;
mod inputs;
mod mask_cohort;
mod session;
mod snapshots;
mod step;
mod zeroth_order;

pub use code_cohort::{CodeCohort, CodeDecoder, CodeSettings, CodeStart, FilterSettings};
pub use cohort::Cohort;
pub use drift::Drift;
pub use evaluator::Evaluator;
pub use hold_out::HoldOut;
pub use images::ResidentImages;
pub use inputs::Inputs;
pub use mask_cohort::{KeptPart, MaskCohort, MaskKind, MaskSettings};
pub use session::{EpochResult, Session, SessionNotes, SessionSettings};
pub use snapshots::{CohortEpoch, SnapshotEvery, Snapshots, train_epoch};
pub use zeroth_order::{Drawn, Family, ZerothOrderCohort, ZerothOrderSettings, replay};

/// The result of an epoch or an evaluation, for one replica.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Mean loss per sample.
    pub loss: f64,
    /// Part of the samples that were classified right, 0 to 1.
    pub accuracy: f64,
    /// How many samples.
    pub samples: usize,
}

impl Tally {
    /// Sums up `[R, B, 2]` of loss and right answers, as the loss kernel leaves them.
    fn of(tallies: &[f32], samples: &[usize]) -> Vec<Self> {
        let per_replica = tallies.len() / samples.len().max(1);
        samples
            .iter()
            .zip(tallies.chunks_exact(per_replica.max(1)))
            .map(|(&samples, part)| {
                let sum =
                    |place: usize| part.iter().skip(place).step_by(2).map(|&v| f64::from(v)).sum::<f64>();
                let count = samples.max(1) as f64;
                Self { loss: sum(0) / count, accuracy: sum(1) / count, samples }
            })
            .collect()
    }
}
