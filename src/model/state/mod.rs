//! Parameters as safetensors files with PyTorch's names and layouts: one file, or several with an index as
//! the Hugging Face hub has them.
//!
//! Nothing here holds a file in memory. Writers put values at their places in the file as they come from the
//! device; readers map the file and look at what they are asked for.

mod index;
mod layout;
mod reader;
mod seal;
mod set;
mod set_writer;
mod writer;

pub use index::find;
pub use layout::TensorShape;
pub use reader::{StateFile, StoredTensor, TensorAbout};
pub use seal::damaged_state;
pub use set::StateSet;
pub use set_writer::{StateSetWriter, TensorGroups};
pub use writer::StateWriter;

use crate::Error;

fn internal(error: impl std::fmt::Display) -> Error {
    Error::fault(format!("a tensor could not be laid out: {error}"))
}

/// The first value that is no finite number, and its place.
fn first_unusable(values: &[f32]) -> Option<(usize, f32)> {
    values.iter().copied().enumerate().find(|(_, value)| !value.is_finite())
}
