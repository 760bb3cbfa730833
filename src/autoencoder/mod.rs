//! Learning on snapshots of weights: autoencoders (Chandar et al., arXiv 2108.05670), and principal axes as their
//! plain baseline.
//!
//! [`learn`] trains encoder and decoder together; an [`Encoder`] makes codes of weights, and a [`DecoderBank`],
//! made of [`DecoderState`]s, weights of codes.

mod axes;
mod basis;
mod center;
mod curve;
mod decoder;
mod encoder;
mod evaluation;
mod learn;
mod learner;
mod looks;
pub mod pca;
mod plan;
mod settings;
pub mod small;
mod snapshots;
mod state;
mod trainer;
mod training;

pub use curve::CurvePoint;
pub use decoder::{DecoderBank, DecoderState};
pub use encoder::Encoder;
pub use evaluation::{Evaluation, SnapshotEvaluation, evaluate, reconstruct};
pub use learn::{Curves, Watcher, check_curves, finish, finished, learn};
pub use learner::{Learner, LearnerState};
pub use plan::{Expected, MemoryPlan, too_many};
pub use settings::{AutoencoderSettings, LINEAR, Source};
pub use snapshots::SnapshotBatch;
pub use state::{AutoencoderFile, Half, HalfParameters, MAX_FILE_BYTES, Standard, TrainedAutoencoder};
pub(crate) use trainer::argmax;
pub use trainer::{Reconstruction, Trainer};
pub use training::Training;
