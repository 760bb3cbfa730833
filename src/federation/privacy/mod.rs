//! What a mechanism with Gaussian noise says about privacy, as (epsilon, delta) by Renyi differential privacy.
//!
//! Everything is plain arithmetic in f64 and knows no round: a [`Mechanism`] is the noise, the part of the collaborators
//! that a round takes, and how it takes them. An [`Accountant`] adds rounds up and converts the sum.

mod accountant;
mod guarantee;
mod log_space;
mod mechanism;
mod poisson;
mod without_replacement;

pub use accountant::{Accountant, smallest_noise};
pub use guarantee::{Guarantee, PrivateNoise, usual_delta};
pub use mechanism::{Mechanism, Neighbours, Sampling};
