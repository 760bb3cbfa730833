//! Systems that send scalars along random directions, which both sides draw: training without gradients.

mod fedkseed;
mod onebyte;
mod trainer;

pub(super) use fedkseed::FEDKSEED;
pub(super) use onebyte::ONEBYTE;
