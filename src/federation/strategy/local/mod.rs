//! What a strategy adds to local training: a file for each rule.

mod plain;

pub use plain::{PLAIN, Plain};
