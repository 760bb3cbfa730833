//! What the global model becomes: a file for each rule.

mod dynamic;
mod momentum;
mod replace;

pub use dynamic::{DYN as DYN_SERVER, DynamicServer};
pub use momentum::{MOMENTUM, Momentum};
pub use replace::{REPLACE, Replace};
