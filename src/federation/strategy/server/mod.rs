//! What the global model becomes: a file for each rule.

mod momentum;
mod replace;

pub use momentum::{MOMENTUM, Momentum};
pub use replace::{REPLACE, Replace};
