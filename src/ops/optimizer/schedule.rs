//! The schedule: what the kernels need in each step.

use super::settings::Optimizer;
use crate::Result;
use crate::gpu::{Buffer, Gpu};

/// What each replica's optimiser needs to know of each step, on the device: `[R, steps]` of
/// (1 / samples, rate / (1 - beta1^t), 1 / sqrt(1 - beta2^t), rate). A first number of 0 means that the
/// replica has no samples in this step and rests.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Four numbers for each replica and step.
    pub buffer: Buffer,
    /// How many steps it holds.
    pub steps: usize,
}

/// The optimiser of an update, and the schedule of its steps.
#[derive(Clone, Copy, Debug)]
pub struct UpdateRule<'a> {
    /// The optimiser.
    pub optimizer: &'a Optimizer,
    /// The schedule.
    pub schedule: &'a Schedule,
}

/// Keeps count of each replica's steps and writes the schedule of the next ones.
#[derive(Clone, Debug)]
pub struct ScheduleWriter {
    optimizer: Optimizer,
    taken: Vec<u64>,
    /// The schedule on the device.
    pub schedule: Schedule,
}

impl ScheduleWriter {
    /// Room for `steps` steps of `replicas` replicas.
    pub fn new(gpu: &Gpu, optimizer: Optimizer, replicas: usize, steps: usize) -> Result<Self> {
        let buffer = gpu.zeros("schedule", replicas * steps * 4)?;
        Ok(Self { optimizer, taken: vec![0; replicas], schedule: Schedule { buffer, steps } })
    }

    /// Writes the next steps. `samples(r, s)` is the number of samples of replica `r` in step `s`; a
    /// replica without samples rests, and its count of steps stands still.
    pub fn write(&mut self, gpu: &Gpu, steps: usize, samples: impl Fn(usize, usize) -> usize) {
        // What lies behind the last step of the last replica is not looked at.
        let all = self.taken.len().saturating_sub(1) * self.schedule.steps + steps;
        let mut entries = vec![[0f32; 4]; all];
        for (replica, taken) in self.taken.iter_mut().enumerate() {
            for step in 0..steps {
                let count = samples(replica, step);
                *taken += u64::from(count > 0);
                entries[replica * self.schedule.steps + step] = self.optimizer.entry(*taken, count);
            }
        }
        gpu.write(&self.schedule.buffer, 0, &entries);
    }

    /// The rule that it writes the schedule of.
    pub fn rule(&self) -> UpdateRule<'_> {
        UpdateRule { optimizer: &self.optimizer, schedule: &self.schedule }
    }

    /// Steps that each replica has taken.
    pub fn taken(&self) -> &[u64] {
        &self.taken
    }

    /// Goes on from counts that [`taken`](Self::taken) gave.
    pub fn resume(&mut self, taken: &[u64]) {
        self.taken.iter_mut().zip(taken).for_each(|(own, taken)| *own = *taken);
    }

    /// Steps at another rate from here on.
    pub fn set_rate(&mut self, rate: f32) {
        self.optimizer.lr = rate;
    }

    /// Starts counting again, as a new optimiser does.
    pub fn restart(&mut self) {
        self.taken.fill(0);
    }
}
