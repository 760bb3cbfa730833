//! Learned codes and what stands around them: what they come to by hand, in f64, and in whole simulations.

mod alone;
mod downlink;
mod filters;
mod prior;
mod refresh;
mod refused;
mod residual;
pub mod resume;
mod rules;
mod shared;
mod ship;
pub mod support;
mod tune;
