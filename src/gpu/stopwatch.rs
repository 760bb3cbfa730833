//! Timing a few dispatches by themselves.

use super::stamps::Stamps;
use super::{Dispatch, Gpu};
use crate::Result;
use std::time::Instant;

/// Which clock a time was taken with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The device's, where a pass begins and ends.
    Device,
    /// The host's, from before a submit until the device has answered.
    Wall,
}

impl Clock {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Wall => "wall",
        }
    }
}

/// Times dispatches by the device's clock where it has one, and by the host's otherwise.
#[derive(Debug)]
pub struct Stopwatch<'g> {
    gpu: &'g Gpu,
    stamps: Option<Stamps>,
}

impl<'g> Stopwatch<'g> {
    /// For this device. Where every dispatch is timed anyway, passes are the recorder's, and the time is the host's.
    pub fn new(gpu: &'g Gpu) -> Self {
        let can = gpu.device.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        let free = can && gpu.timestamps.is_none() && !gpu.is_rehearsal();
        Self { gpu, stamps: free.then(|| Stamps::new(&gpu.device, &gpu.queue, 1)) }
    }

    /// The clock that it reads.
    pub fn clock(&self) -> Clock {
        if self.stamps.is_some() { Clock::Device } else { Clock::Wall }
    }

    /// Seconds that `rounds` rounds of the dispatches take, recorded into one submit.
    pub fn time(&self, dispatches: &[Dispatch], rounds: u32) -> Result<f64> {
        let Some(stamps) = &self.stamps else {
            let start = Instant::now();
            let mut recorder = self.gpu.recorder();
            (0..rounds).try_for_each(|_| recorder.record(dispatches))?;
            recorder.submit()?;
            self.gpu.wait()?;
            return Ok(start.elapsed().as_secs_f64());
        };
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some("stopwatch"),
            timestamp_writes: Some(stamps.of_pass(0)),
        });
        for dispatch in (0..rounds).flat_map(|_| dispatches) {
            dispatch.encode(&mut pass, 0);
        }
        drop(pass);
        stamps.resolve(&mut encoder, 1);
        self.gpu.submit(encoder);
        let ticks = stamps.read(1, || self.gpu.wait())?;
        let elapsed = ticks.first().map_or(0, |[begin, end]| end.saturating_sub(*begin));
        Ok(elapsed as f64 * stamps.period * 1e-9)
    }
}
