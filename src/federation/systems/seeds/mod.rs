//! Systems that send scalars along random directions, which both sides draw: training without gradients.

mod fedkseed;
mod trainer;

pub(super) use fedkseed::FEDKSEED;
