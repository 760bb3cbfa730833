//! Every kernel against its f64 twin, on the adapter of this machine, with bounds checks on.
//!
//! One binary, so that all tests share three devices and the pipelines compiled on them. There are no
//! skips: without an adapter the tests fail, and say which package provides one.

mod augment;
mod autoencoder;
mod clusters;
mod code;
mod conv;
mod dense;
mod directions;
mod drift;
mod elementwise;
mod emitted;
mod filters;
mod gather;
#[path = "../goldens/golden.rs"]
mod golden;
mod goldens;
mod gram;
mod hadamard;
mod hlsl;
mod interrupted;
mod largest;
mod loss;
mod lost;
mod masks;
mod mlp;
mod optimizer;
mod parameters;
mod pca;
mod peaks;
mod places;
mod pool;
mod posed;
mod random;
mod reduce;
mod registry;
mod shared;
mod sketch;
mod small;
mod standardize;
mod state;
mod submits;
mod subspace;
mod support;
#[path = "../goldens/vgg3.rs"]
mod vgg3;
mod wgsl;
mod wide;
