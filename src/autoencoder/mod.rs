//! Learning on snapshots of weights: autoencoders (Chandar et al., arXiv 2108.05670), and principal axes as their
//! plain baseline.
//!
//! A [`Trainer`] trains encoder and decoder together; an [`Encoder`] makes codes of weights, and a [`DecoderBank`],
//! made of [`DecoderState`]s, weights of codes.

mod axes;
mod basis;
mod center;
mod curve;
mod decoder;
mod encoder;
mod evaluation;
pub mod pca;
mod plan;
mod settings;
pub mod small;
mod snapshots;
mod state;
mod trainer;

pub use curve::{CurvePoint, Pace, Watcher, look, train_with_curve};
pub use decoder::{DecoderBank, DecoderState};
pub use encoder::Encoder;
pub use evaluation::{Evaluation, SnapshotEvaluation, evaluate, reconstruct};
pub use plan::{Expected, MemoryPlan, Training, too_many};
pub use settings::AutoencoderSettings;
pub use snapshots::SnapshotBatch;
pub use state::{AutoencoderFile, Half, HalfParameters, MAX_FILE_BYTES, Standard, save_autoencoder};
pub(crate) use trainer::argmax;
pub use trainer::{Reconstruction, Trainer, TrainerSettings};
