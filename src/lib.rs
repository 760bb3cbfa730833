//! Federated learning with learned update compression, trained by hand-written compute shaders.
//!
//! Data flows one way: [`data`] and [`model`] feed [`ops`], which record dispatches of the WGSL
//! kernels in `shaders/` through [`gpu`]; [`autoencoder`] learns on snapshots of weights with the
//! same ops, and [`codec`] makes bytes of updates; [`federation`] drives collaborators and the aggregator and counts
//! every byte, [`story`] puts what came of it into words, and [`report`] shows it. [`mod@reference`] holds the f64
//! twin of every kernel, [`mod@bench`] times them
//! and all that is made of them.
//!
//! Shapes are written with the same letters everywhere: `R` replicas, `B` batch, `I` inputs, `O`
//! outputs, `H` `W` height and width, `C` channels, `P` parameters, `Z` latent, `N` rows and `K`
//! columns of a weight matrix as it lies on the device, `S` snapshots.
#![warn(missing_docs)]

pub mod autoencoder;
pub mod bench;
pub mod bits;
pub mod bytes;
pub mod codec;
mod coding;
pub mod data;
mod digest;
pub mod error;
pub mod experiment;
pub mod federation;
pub mod files;
pub mod gpu;
mod lock;
pub mod model;
pub mod ops;
pub mod progress;
pub mod reference;
pub mod report;
pub mod run;
pub mod savings;
pub mod settings;
pub mod story;
mod text;
mod toml_place;
pub mod training;

pub use error::{Error, Result};
