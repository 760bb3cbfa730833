//! `shaders/directions.wgsl`: weights moved along random directions, and cohorts that train by that.

mod cohort;
mod steps;
