//! Recording: dispatches are data, made once; a run of many steps is one command buffer.

use super::{Dispatch, Gpu};
use crate::Result;
use std::time::Instant;

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

    /// Records one list of dispatches and submits it, in several submits where it is long.
    pub fn run(&self, dispatches: &[Dispatch]) -> Result<()> {
        self.pace.parts(dispatches).into_iter().try_for_each(|part| {
            self.check_interrupt()?;
            let mut recorder = self.recorder();
            recorder.record(part)?;
            recorder.submit().map(drop)
        })
    }

    /// Runs `plan` once for each step of `steps`, in submits of bounded duration, two in flight. On a GPU a step may be
    /// several of them. Calls `progress` with the number of steps that each submit has ended.
    pub fn run_steps(
        &self,
        plan: &[Dispatch],
        steps: std::ops::Range<u32>,
        progress: &mut dyn FnMut(u32),
    ) -> Result<()> {
        let mut stepping = self.pace.steps(plan);
        let units = stepping.units();
        let (mut next, end) = (0, units * u64::from(steps.end.saturating_sub(steps.start)));
        let mut in_flight: Option<(wgpu::SubmissionIndex, std::ops::Range<u64>)> = None;
        let mut last = Instant::now();
        let mut ended = |done: std::ops::Range<u64>| match (done.end / units - done.start / units) as u32 {
            0 => {}
            steps => progress(steps),
        };
        while next < end {
            self.check_interrupt()?;
            let until = stepping.next(next, end);
            let mut recorder = self.recorder();
            for unit in next..until {
                let step = steps.start + (unit / units) as u32;
                for dispatch in &plan[stepping.dispatches(unit, plan.len())] {
                    recorder.record_at(dispatch, step)?;
                }
            }
            let submitted = (recorder.submit()?, next..until);
            next = until;
            if let Some((submission, done)) = in_flight.replace(submitted) {
                self.wait_for(submission)?;
                ended(done.clone());
                // About the time of one submit, since the next one begins when it ends.
                stepping.measured(done, last.elapsed().as_secs_f64());
                last = Instant::now();
            }
        }
        if let Some((submission, done)) = in_flight {
            self.wait_for(submission)?;
            ended(done);
        }
        if end > 0 {
            self.pace.learn(&stepping);
        }
        Ok(())
    }
}
