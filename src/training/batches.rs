//! The sample numbers of the next steps of a cohort, as they lie on the device.

use crate::ops::gather::NOTHING;

/// A window of steps of an epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// B
    pub batch: usize,
    /// The first step.
    pub first: usize,
    /// How many steps it has.
    pub count: usize,
    /// How many there is room for.
    pub room: usize,
}

impl Window {
    /// The samples of a step of the window, of a replica that sees them in this order.
    pub fn of<'a>(&self, order: &'a [u32], step: usize) -> &'a [u32] {
        let start = ((self.first + step) * self.batch).min(order.len());
        &order[start..(start + self.batch).min(order.len())]
    }

    /// The numbers of all samples, `[R, room, B]` up to the last step of the last replica; adds how many each replica sees to `tallied`.
    pub fn numbers(&self, orders: &[Vec<u32>], tallied: &mut [usize]) -> Vec<u32> {
        // What lies behind the last step of the last replica is not looked at.
        let lines = orders.len().saturating_sub(1) * self.room + self.count;
        let mut numbers = vec![NOTHING; lines * self.batch];
        for (replica, (order, tallied)) in orders.iter().zip(tallied).enumerate() {
            for step in 0..self.count {
                let samples = self.of(order, step);
                let at = (replica * self.room + step) * self.batch;
                numbers[at..at + samples.len()].copy_from_slice(samples);
                *tallied += samples.len();
            }
        }
        numbers
    }
}
