//! Stages that change what is said in a round: multiples of earlier updates, nothing at all, and distances from what both
//! sides keep.

mod control;
mod dropout;
mod hostile;
mod lbgm;
mod orders;
mod relevance;
mod resume;
mod support;
mod synthetic;
