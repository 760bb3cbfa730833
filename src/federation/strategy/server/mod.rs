//! What the global model becomes: a file for each rule.

mod adagrad;
mod adam;
mod adaptive;
mod momentum;
mod replace;
mod yogi;

pub use adagrad::ADAGRAD;
pub use adam::ADAM;
pub use momentum::{MOMENTUM, Momentum};
pub use replace::{REPLACE, Replace};
pub use yogi::YOGI;
