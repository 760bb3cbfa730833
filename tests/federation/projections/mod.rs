//! Stages that project updates: low-rank factors, rotations, random directions and sketches.

mod damaged;
mod fetch_sgd;
mod lowrank;
mod rotate;
mod simulations;
mod sketch;
mod subspace;
mod support;
