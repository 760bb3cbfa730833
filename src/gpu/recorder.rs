//! Recording: dispatches are data, made once; a run of many steps is one command buffer.

use super::Gpu;
use super::buffer::Memory;
use super::kernel::Compiled;
use super::trace::KernelRun;
use crate::Result;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A kernel with its buffers, its immediates and its size, ready to be recorded any number of times.
#[derive(Clone, Debug)]
pub struct Dispatch {
    compiled: Arc<Compiled>,
    bind_group: wgpu::BindGroup,
    /// What the group binds, which is alive for as long as it is.
    _bound: Arc<[Arc<Memory>]>,
    immediates: Arc<[u8]>,
    groups: [u32; 3],
    /// Where the immediates hold the number of the step, if they do.
    step_offset: Option<usize>,
    /// What it costs, where whoever made it has counted.
    pub(super) cost: Cost,
}

/// What a dispatch costs, counted from shapes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Bytes that have to be read from memory and written to it, each value once.
    pub bytes: u64,
    /// Multiplications and additions of the products; what each value costs besides is left out.
    pub operations: u64,
}

impl Dispatch {
    pub(super) fn new(
        compiled: Arc<Compiled>,
        (bind_group, bound): (wgpu::BindGroup, Vec<Arc<Memory>>),
        immediates: &[u8],
        groups: [u32; 3],
    ) -> Self {
        let step_offset = compiled
            .reflected
            .fields
            .iter()
            .find(|(name, ..)| name == "step")
            .map(|(_, offset, _)| *offset as usize);
        Self {
            compiled,
            bind_group,
            _bound: bound.into(),
            immediates: immediates.into(),
            groups,
            step_offset,
            cost: Cost::default(),
        }
    }

    /// Notes what it costs: `values` of four bytes read or written, and operations of the products.
    pub(crate) fn moving(self, values: usize, operations: usize) -> Self {
        Self { cost: Cost { bytes: 4 * values as u64, operations: operations as u64 }, ..self }
    }

    /// Notes what it costs.
    pub(crate) fn costing(self, cost: Cost) -> Self {
        Self { cost, ..self }
    }

    /// What it costs, counted from shapes; zeros where nobody has counted.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// What a trace notes of it once it has run at this step.
    pub(super) fn ran(&self, step: u32, ticks: [u64; 2]) -> KernelRun {
        let told = (self.compiled.clone(), self.immediates.clone());
        KernelRun::new(told, (self.groups, self.cost), self.step_offset.map(|_| step), ticks)
    }

    /// The kernel's entry point.
    pub fn name(&self) -> &'static str {
        self.compiled.kernel.entry
    }
}

/// How much work one submit should hold: long enough to hide its cost, short enough for the
/// watchdogs of desktop drivers.
const SUBMIT_TARGET: Duration = Duration::from_millis(200);

/// A command buffer under construction.
pub struct Recorder<'g> {
    gpu: &'g Gpu,
    encoder: wgpu::CommandEncoder,
    pass: Option<wgpu::ComputePass<'static>>,
}

impl<'g> Recorder<'g> {
    pub(super) fn new(gpu: &'g Gpu) -> Self {
        Self { gpu, encoder: gpu.device.create_command_encoder(&Default::default()), pass: None }
    }

    /// Appends a dispatch; `step` goes into its immediates where they have a field of that name.
    pub fn at_step(&mut self, dispatch: &Dispatch, step: u32) -> Result<()> {
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
            encode(&mut pass, dispatch, step);
            return Ok(());
        }
        let pass = self
            .pass
            .get_or_insert_with(|| self.encoder.begin_compute_pass(&Default::default()).forget_lifetime());
        encode(pass, dispatch, step);
        Ok(())
    }

    /// Appends dispatches that have no step.
    pub fn all(&mut self, dispatches: &[Dispatch]) -> Result<()> {
        dispatches.iter().try_for_each(|dispatch| self.at_step(dispatch, 0))
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
            timestamps.collect(self.gpu, submitted)?;
        }
        Ok(submission)
    }
}

pub(super) fn encode(pass: &mut wgpu::ComputePass<'_>, dispatch: &Dispatch, step: u32) {
    pass.set_pipeline(&dispatch.compiled.pipeline);
    pass.set_bind_group(0, &dispatch.bind_group, &[]);
    if !dispatch.immediates.is_empty() {
        pass.set_immediates(0, &dispatch.immediates);
        if let Some(offset) = dispatch.step_offset {
            pass.set_immediates(offset as u32, bytemuck::bytes_of(&step));
        }
    }
    let [x, y, z] = dispatch.groups;
    pass.dispatch_workgroups(x, y, z);
}

impl Gpu {
    /// Runs `plan` once for each step of `steps`, in submits of bounded duration, two in flight.
    /// `progress` is told how many steps are known to be done.
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
                    recorder.at_step(dispatch, step)?;
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
