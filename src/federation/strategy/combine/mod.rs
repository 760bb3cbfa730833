//! How updates become one: a file for each rule.

mod mean;
mod private_mean;

pub use mean::{MEAN, Mean, PLAIN_MEAN};
pub use private_mean::{Adaptive, PRIVATE_MEAN, PrivateMean};
