//! What a stage is given to work on, as far as the list that it stands in says.

/// What the values are that a stage is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// The weights of a collaborator, in their order.
    Weights,
    /// What a round changed of each weight, in their order.
    Changes,
    /// What a code misses of each weight, in their order.
    Missed,
    /// The code that a learned stage has made.
    Code,
    /// What a stage has left that does not leave a value for each weight; in another round it stands for others of them.
    Rest,
}
