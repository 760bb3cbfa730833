//! The f64 twins of the kernels: by hand, against finite differences, and against PyTorch. None of it needs an
//! adapter.
// Loops over indexes are what makes a test comparable, line by line, with its twin.
#![allow(clippy::needless_range_loop)]

mod activation;
mod augment;
mod clusters;
mod code;
mod compare;
mod conv;
mod dense;
mod directions;
mod drift;
mod elementwise;
mod filters;
mod finite_difference;
mod gather;
#[path = "../goldens/golden.rs"]
mod golden;
mod goldens;
mod gram;
mod hadamard;
mod largest;
mod loss;
mod masks;
mod mlp;
mod moments_bf16;
mod optimizer;
mod peaks;
mod pool;
mod random;
mod reduce;
mod sketch;
mod standardize;
mod subspace;
mod support;
#[path = "../goldens/vgg3.rs"]
mod vgg3;
