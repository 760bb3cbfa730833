//! What the global model becomes: a file for each rule.

mod adagrad;
mod adam;
mod adaptive;
mod dynamic;
mod momentum;
mod replace;
mod yogi;

pub use adagrad::ADAGRAD;
pub use adam::ADAM;
pub use dynamic::{DYN as DYN_SERVER, DynamicServer};
pub use momentum::{MOMENTUM, Momentum};
pub use replace::{REPLACE, Replace};
pub use yogi::YOGI;
