//! Recording: dispatches are data, made once; a run of many steps is one command buffer.

use super::{Dispatch, Gpu};
use crate::Result;
use std::time::{Duration, Instant};

/// How much work one submit should hold: long enough to hide its cost, short enough for the
/// watchdogs of desktop drivers.
const SUBMIT_TARGET: Duration = Duration::from_millis(200);

/// A command buffer under construction.
pub struct Recorder<'g> {
    gpu: &'g Gpu,
    encoder: wgpu::CommandEncoder,
    pass: Option<wgpu::ComputePass<'static>>,
}

impl Recorder<'_> {
    /// Appends a dispatch; `step` goes into its immediates where they have a field of that name.
    pub fn record_at(&mut self, dispatch: &Dispatch, step: u32) -> Result<()> {
        if self.gpu.is_rehearsal() {
            return Ok(());
        }
        if let Some(timestamps) = &self.gpu.timestamps {
            if timestamps.is_full() {
                self.flush()?;
            }
            self.pass = None;
            let writes = timestamps.next(dispatch, step);
            let mut pass = self.encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: Some(dispatch.name()),
                timestamp_writes: Some(writes),
            });
            dispatch.encode(&mut pass, step);
            return Ok(());
        }
        let pass = self
            .pass
            .get_or_insert_with(|| self.encoder.begin_compute_pass(&Default::default()).forget_lifetime());
        dispatch.encode(pass, step);
        Ok(())
    }

    /// Appends dispatches that have no step.
    pub fn record(&mut self, dispatches: &[Dispatch]) -> Result<()> {
        dispatches.iter().try_for_each(|dispatch| self.record_at(dispatch, 0))
    }

    /// Sends the recorded work to the device.
    pub fn submit(mut self) -> Result<wgpu::SubmissionIndex> {
        self.flush()
    }

    fn flush(&mut self) -> Result<wgpu::SubmissionIndex> {
        self.pass = None;
        let next = self.gpu.device.create_command_encoder(&Default::default());
        let mut encoder = std::mem::replace(&mut self.encoder, next);
        if let Some(timestamps) = &self.gpu.timestamps {
            timestamps.resolve(&mut encoder);
        }
        let submitted = self.gpu.trace().map_or(0.0, |trace| trace.now());
        let submission = self.gpu.submit(encoder);
        if let Some(timestamps) = &self.gpu.timestamps {
            timestamps.collect(submitted, || self.gpu.wait())?;
        }
        Ok(submission)
    }
}

impl Gpu {
    /// Starts recording.
    pub fn recorder(&self) -> Recorder<'_> {
        let encoder = self.device.create_command_encoder(&Default::default());
        Recorder { gpu: self, encoder, pass: None }
    }

    /// Records one list of dispatches and submits it.
    pub fn run(&self, dispatches: &[Dispatch]) -> Result<()> {
        let mut recorder = self.recorder();
        recorder.record(dispatches)?;
        recorder.submit().map(drop)
    }

    /// Runs `plan` once for each step of `steps`, in submits of bounded duration, two in flight.
    /// Calls `progress` with the number of steps of each submit that has run.
    pub fn run_steps(
        &self,
        plan: &[Dispatch],
        steps: std::ops::Range<u32>,
        progress: &mut dyn FnMut(u32),
    ) -> Result<()> {
        let mut chunk = 1;
        let mut next = steps.start;
        let mut in_flight: Option<(wgpu::SubmissionIndex, u32)> = None;
        let mut last = Instant::now();
        while next < steps.end {
            let end = steps.end.min(next + chunk);
            let mut recorder = self.recorder();
            for step in next..end {
                for dispatch in plan {
                    recorder.record_at(dispatch, step)?;
                }
            }
            let submitted = (recorder.submit()?, end - next);
            next = end;
            if let Some((submission, done)) = in_flight.replace(submitted) {
                self.wait_for(submission)?;
                progress(done);
                let elapsed = last.elapsed();
                last = Instant::now();
                // `elapsed` is about one chunk of `done` steps; grow carefully, shrink at once.
                let fitting = SUBMIT_TARGET.as_secs_f64() / elapsed.as_secs_f64().max(1e-6) * f64::from(done);
                chunk = (fitting as u32).clamp(1, chunk.saturating_mul(4).min(4096));
            }
        }
        if let Some((submission, done)) = in_flight {
            self.wait_for(submission)?;
            progress(done);
        }
        Ok(())
    }
}
