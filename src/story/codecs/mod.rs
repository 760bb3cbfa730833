//! Codecs: the stages that there are.

mod stages;

pub use stages::{stage_page, stages_table};
