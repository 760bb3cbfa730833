//! Federated learning with learned update compression, trained by hand-written compute shaders.
//!
//! The command line is the program `fedfunnel`; this is what it is made of, for programs of one's own. A codec in three
//! steps: made for a model, used by a collaborator, and by an aggregator.
//!
//! ```
//! use fedfunnel::codec::{Context, Kept, PipelineSpec, Round, Stages, Values};
//! use fedfunnel::gpu::{Gpu, GpuOptions};
//! use fedfunnel::model::Layout;
//!
//! # fn main() -> fedfunnel::Result<()> {
//! let gpu = Gpu::open(&GpuOptions::default())?;
//! // The hundredth of a change that is largest, for a model of 1,000 weights in one tensor.
//! let spec = PipelineSpec::from_text("codec", "delta+topk(part=0.01)")?;
//! let context = Context { layout: &Layout::flat(1_000), seed: 0, autoencoder: None };
//! let codec = Stages::default().pipeline(&spec, &context)?;
//!
//! let global = vec![0.0; 1_000];
//! let mut weights = global.clone();
//! weights[42] = 0.5;
//! let round = Round { number: 1, seed: 0, global: &global, gpu: &gpu, local: None };
//! // What a side keeps between rounds lies with whoever calls; these stages keep nothing.
//! let (mut own, theirs) = (Kept::default(), Kept::default());
//! let payloads = codec.send(&round, vec![(7, &mut own, Values::Host(weights.clone()))])?;
//! let mut arrived = codec.receive(&round, vec![(7, &theirs, &payloads[0])])?;
//! assert_eq!(arrived.remove(0).take(&gpu)?, weights);
//! assert!(payloads[0].len() < 4_000 / 50);
//! # Ok(())
//! # }
//! ```
//!
//! `examples/` of the repository trains a classifier, learns a codec, and adds a stage and a strategy of one's own.
//!
//! # What is stable
//!
//! Before version 1.0 a minor version may change anything, and `CHANGELOG.md` says what it changed. What is meant for
//! others, and changed with care:
//!
//! - [`codec`]: [`Stage`](codec::Stage) and what it is given, [`Pipeline`](codec::Pipeline), [`Message`](codec::Message),
//!   [`Stages`](codec::Stages); [`bytes`] for what a stage writes;
//! - [`federation`]: [`SimulationSpec`](federation::SimulationSpec), [`simulate()`](federation::simulate),
//!   [`Outcome`](federation::Outcome), [`Parts`](federation::Parts) with
//!   [`Combine`](federation::Combine), [`Server`](federation::Server) and [`Local`](federation::Local);
//! - [`data`], [`model`], [`autoencoder`], and of [`training`] [`Session`](training::Session) and
//!   [`Snapshots`](training::Snapshots);
//! - [`Gpu`](gpu::Gpu) and [`GpuOptions`](gpu::GpuOptions), [`run`], [`progress`], [`savings`], [`report`], [`settings`],
//!   [`files`], [`Error`];
//! - the formats of files and messages, which say their version.
//!
//! Everything else is public so that tests and the program reach it: the kernels' operations ([`ops`]), experiments, and
//! what is hidden here, the twins of the kernels, their benchmarks, and the sentences of reports.
//!
//! # How it is built
//!
//! Data flows one way: [`data`] and [`model`] feed [`ops`], which record dispatches of the WGSL
//! kernels in `shaders/` through [`gpu`]; [`autoencoder`] learns on snapshots of weights with the
//! same ops, and [`codec`] makes bytes of updates; [`federation`] drives collaborators and the aggregator and counts
//! every byte, `story` puts what came of it into words, and [`report`] shows it. `reference` holds the f64
//! twin of every kernel, `bench` times them and all that is made of them.
//!
//! Shapes are written with the same letters everywhere: `R` replicas, `B` batch, `I` inputs, `O`
//! outputs, `H` `W` height and width, `C` channels, `P` parameters, `Z` latent, `N` rows and `K`
//! columns of a weight matrix as it lies on the device, `S` snapshots.
#![warn(missing_docs)]

pub mod autoencoder;
#[doc(hidden)]
pub mod bench;
#[doc(hidden)]
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
#[doc(hidden)]
pub mod reference;
pub mod report;
pub mod run;
pub mod savings;
pub mod settings;
#[doc(hidden)]
pub mod story;
mod text;
mod toml_place;
pub mod training;

pub use error::{Error, Result};
