//! How updates become one: a file for each rule.

mod coordinates;
mod geometric_median;
mod krum;
mod mean;
mod median;
mod multi_krum;
mod norm_bound;
mod nova;
mod participation;
mod principal;
mod private_mean;
mod qfair;
mod trimmed_mean;
mod vectors;

pub use geometric_median::GEOMETRIC_MEDIAN;
pub use krum::KRUM;
pub use mean::{MEAN, Mean, PLAIN_MEAN};
pub use median::MEDIAN;
pub use multi_krum::MULTI_KRUM;
pub use norm_bound::NORM_BOUND;
pub use nova::NOVA;
pub use participation::PARTICIPATION;
pub use principal::PRINCIPAL;
pub use private_mean::{Adaptive, PRIVATE_MEAN, PrivateMean};
pub use qfair::QFAIR;
pub use trimmed_mean::TRIMMED_MEAN;
