//! What is between collaborators and aggregator.

use crate::codec::{MessageKind, UpdateDecoder, UpdateEncoder};

/// What is between collaborators and aggregator.
pub struct Wire {
    /// What kind of message an update is.
    pub kind: MessageKind,
    /// The collaborators' side.
    pub encoder: Box<dyn UpdateEncoder>,
    /// The aggregator's side.
    pub decoder: Box<dyn UpdateDecoder>,
}
