//! The learned codec: an autoencoder trained on snapshots of the very weights that it will carry
//! (Chandar et al., arXiv 2108.05670).
//!
//! A collaborator trains encoder and decoder together ([`Trainer`]), keeps the encoder and ships the
//! [`DecoderState`]; the aggregator builds a [`DecoderBank`] from the decoders it was sent.

mod costs;
mod curve;
mod decoder;
mod encoder;
mod evaluation;
mod plan;
pub mod small;
mod snapshots;
mod state;
mod trainer;

pub use costs::Costs;
pub use curve::{CurvePoint, Pace, Watcher, look, train_with_curve};
pub use decoder::{DecoderBank, DecoderState};
pub use encoder::Encoder;
pub use evaluation::{Evaluation, SnapshotEvaluation, evaluate, reconstruct};
pub use plan::{Expected, MemoryPlan, Training, too_many};
pub use snapshots::SnapshotBatch;
pub use state::{AutoencoderFile, Half, HalfParameters, MAX_FILE_BYTES, Standard, save_autoencoder};
pub(crate) use trainer::argmax;
pub use trainer::{Reconstruction, Trainer, TrainerSettings};
