//! `shaders/conv.wgsl`, `shaders/conv3x3.wgsl` and `shaders/conv3x3_tiles.wgsl`: one layer, by whichever of them
//! takes its shape.

mod cases;
mod conv3x3_tiles;
pub mod gradients;
mod products;
pub mod rig;
mod segments;
