//! `shaders/code.wgsl`: from codes to parameters and from gradients back, and the optimiser's step on codes.

pub mod cohort;
mod linear;
mod spread;
mod step;
