//! What a strategy adds to local training: a file for each rule.

mod dynamic;
mod plain;
mod prox;
mod scaffold;
mod scaffold_m;
mod sgd;

pub use dynamic::{DYN, Dynamic};
pub use plain::{PLAIN, Plain};
pub use prox::{PROX, Prox};
pub use scaffold::{SCAFFOLD, Scaffold};
pub use scaffold_m::SCAFFOLD_M;
