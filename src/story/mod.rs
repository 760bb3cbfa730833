//! Every sentence of every report, and the one comparator behind their verdicts.
//!
//! A story takes plain numbers and gives a [`Report`](crate::report::Report), or a part of one: the question with the
//! answer in its title, the answer in a sentence or two, plots and tables with a line each, and what they do not show.
//! It trains nothing and knows no run: what ran adds its device, its seed and its command.

pub(crate) mod autoencoder;
pub mod codecs;
pub mod compare;
pub(crate) mod comparison;
mod federation;
pub(crate) mod imbalance;
mod options;
pub mod populations;
pub mod privacy;
pub mod savings;
pub(crate) mod savings_figures;
mod so_far;
pub mod strategies;
pub(crate) mod validation;
mod words;

pub use federation::{PRINTED, federation_report, simulation_report};
pub use so_far::SoFar;
