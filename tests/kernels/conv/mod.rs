//! `shaders/conv.wgsl` and `shaders/conv3x3.wgsl`: one layer, by whichever of the two takes its shape.

mod cases;
pub mod gradients;
mod products;
pub mod rig;
mod segments;
