//! How updates become one: a file for each rule.

mod mean;

pub use mean::{MEAN, Mean, PLAIN_MEAN};
