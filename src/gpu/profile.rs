//! Timing kernels on the device.

use super::stamps::Stamps;
use super::trace::KernelRun;
use super::{Dispatch, Trace};
use crate::Result;
use crate::lock::lock;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Dispatches that are timed before their stamps are read (two stamps each; WebGPU allows 4,096).
const CAPACITY: u32 = 2_048;

/// The cost of a kernel.
#[derive(Clone, Debug, Default, Serialize, PartialEq)]
pub struct KernelTime {
    /// Entry point.
    pub kernel: String,
    /// How often it ran.
    pub calls: u64,
    /// Seconds in all.
    pub total: f64,
    /// Seconds per call.
    pub mean: f64,
    /// Part of the time of all kernels, 0 to 1.
    pub share: f64,
    /// Bytes that all calls moved, counted from shapes; 0 where that is not counted.
    pub bytes: u64,
    /// Operations of the products in all calls, counted from shapes; 0 where that is not counted.
    pub operations: u64,
}

/// The cost of all kernels, the largest first.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Profile {
    /// One entry for each kernel.
    pub kernels: Vec<KernelTime>,
}

/// Timestamps of the dispatches recorded since the last submit, and sums over the earlier ones.
#[derive(Debug)]
pub(super) struct Timestamps {
    stamps: Stamps,
    pending: Mutex<Vec<(Dispatch, u32)>>,
    /// By entry point; what follows from all of them is left open.
    spent: Mutex<BTreeMap<&'static str, KernelTime>>,
    trace: Option<Arc<Trace>>,
}

impl Timestamps {
    pub fn new(device: &wgpu::Device, queue: &wgpu::Queue, trace: Option<Arc<Trace>>) -> Self {
        let stamps = Stamps::new(device, queue, CAPACITY);
        Self { stamps, pending: Mutex::default(), spent: Mutex::default(), trace }
    }

    pub fn is_full(&self) -> bool {
        lock(&self.pending).len() as u32 == self.stamps.capacity
    }

    /// The timestamps of the pass of a dispatch at this step.
    pub fn next(&self, dispatch: &Dispatch, step: u32) -> wgpu::ComputePassTimestampWrites<'_> {
        let mut pending = lock(&self.pending);
        pending.push((dispatch.clone(), step));
        self.stamps.of_pass(pending.len() as u32 - 1)
    }

    pub fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        self.stamps.resolve(encoder, lock(&self.pending).len() as u32);
    }

    /// Takes the times of what was submitted at that moment of the trace; `wait` returns once that has run.
    pub fn collect(&self, submitted: f64, wait: impl FnOnce() -> Result<()>) -> Result<()> {
        let dispatches = std::mem::take(&mut *lock(&self.pending));
        if dispatches.is_empty() {
            return Ok(());
        }
        let ticks = self.stamps.read(dispatches.len() as u32, wait)?;
        let mut spent = lock(&self.spent);
        for ((dispatch, _), [begin, end]) in dispatches.iter().zip(&ticks) {
            let entry = spent.entry(dispatch.name()).or_default();
            entry.calls += 1;
            entry.bytes += dispatch.cost().bytes;
            entry.operations += dispatch.cost().operations;
            entry.total += end.saturating_sub(*begin) as f64 * self.stamps.period * 1e-9;
        }
        if let Some(trace) = &self.trace {
            let runs = dispatches.iter().zip(ticks);
            let runs = runs.map(|((dispatch, step), ticks)| KernelRun::new(dispatch, *step, ticks)).collect();
            trace.add_runs(runs, self.stamps.period, submitted, trace.now());
        }
        Ok(())
    }

    pub fn profile(&self) -> Profile {
        let spent = lock(&self.spent);
        let all: f64 = spent.values().map(|spent| spent.total).sum();
        let kernels = spent.iter().map(|(kernel, spent)| KernelTime {
            kernel: kernel.to_string(),
            mean: spent.total / spent.calls.max(1) as f64,
            share: if all > 0.0 { spent.total / all } else { 0.0 },
            ..spent.clone()
        });
        let mut kernels: Vec<_> = kernels.collect();
        kernels.sort_by(|a, b| b.total.total_cmp(&a.total));
        Profile { kernels }
    }
}
