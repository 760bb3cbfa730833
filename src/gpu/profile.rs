//! Timing kernels on the device.

use super::{Cost, Gpu};
use crate::{Error, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Dispatches that are timed before their stamps are read (two stamps each; WebGPU allows 4,096).
const CAPACITY: u32 = 2_048;

/// What a kernel cost.
#[derive(Clone, Debug, Serialize, PartialEq)]
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

/// What all kernels cost, the dearest first.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Profile {
    /// One entry for each kernel.
    pub kernels: Vec<KernelTime>,
}

/// What the calls of one kernel came to.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    calls: u64,
    seconds: f64,
    cost: Cost,
}

/// Timestamps of the dispatches recorded since the last submit.
#[derive(Debug)]
pub(super) struct Timestamps {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    readback: wgpu::Buffer,
    nanoseconds: f64,
    pending: Mutex<Vec<(&'static str, Cost)>>,
    spent: Mutex<BTreeMap<&'static str, Spent>>,
}

impl Timestamps {
    pub fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        let buffer = |label, usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size: u64::from(CAPACITY) * 16,
                usage,
                mapped_at_creation: false,
            })
        };
        Self {
            queries: device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count: CAPACITY * 2,
            }),
            resolved: buffer("timestamps", wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC),
            readback: buffer("timestamps", wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST),
            nanoseconds: f64::from(queue.get_timestamp_period()),
            pending: Mutex::default(),
            spent: Mutex::default(),
        }
    }

    fn pending(&self) -> std::sync::MutexGuard<'_, Vec<(&'static str, Cost)>> {
        self.pending.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub fn is_full(&self) -> bool {
        self.pending().len() as u32 == CAPACITY
    }

    pub fn next(&self, kernel: &'static str, cost: Cost) -> wgpu::ComputePassTimestampWrites<'_> {
        let mut pending = self.pending();
        let first = pending.len() as u32 * 2;
        pending.push((kernel, cost));
        wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        }
    }

    pub fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        let count = self.pending().len() as u32 * 2;
        if count > 0 {
            encoder.resolve_query_set(&self.queries, 0..count, &self.resolved, 0);
            encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.readback, 0, u64::from(count) * 8);
        }
    }

    pub fn collect(&self, gpu: &Gpu) -> Result<()> {
        let kernels = std::mem::take(&mut *self.pending());
        if kernels.is_empty() {
            return Ok(());
        }
        let slice = self.readback.slice(..kernels.len() as u64 * 16);
        slice.map_async(wgpu::MapMode::Read, |_| {});
        gpu.wait()?;
        let view = slice.get_mapped_range().map_err(|e| {
            Error::device(format!("the timestamps could not be read: {e}"), "leave --profile out")
        })?;
        let stamps: Vec<u64> = bytemuck::pod_collect_to_vec(&view);
        drop(view);
        self.readback.unmap();
        let mut spent = self.spent.lock().unwrap_or_else(|e| e.into_inner());
        for ((kernel, cost), stamp) in kernels.into_iter().zip(stamps.chunks_exact(2)) {
            let entry = spent.entry(kernel).or_default();
            entry.calls += 1;
            entry.cost.bytes += cost.bytes;
            entry.cost.operations += cost.operations;
            entry.seconds += stamp[1].saturating_sub(stamp[0]) as f64 * self.nanoseconds * 1e-9;
        }
        Ok(())
    }

    pub fn profile(&self) -> Profile {
        let spent = self.spent.lock().unwrap_or_else(|e| e.into_inner());
        let all: f64 = spent.values().map(|spent| spent.seconds).sum();
        let mut kernels: Vec<_> = spent
            .iter()
            .map(|(kernel, spent)| KernelTime {
                kernel: kernel.to_string(),
                calls: spent.calls,
                total: spent.seconds,
                mean: spent.seconds / spent.calls.max(1) as f64,
                share: if all > 0.0 { spent.seconds / all } else { 0.0 },
                bytes: spent.cost.bytes,
                operations: spent.cost.operations,
            })
            .collect();
        kernels.sort_by(|a, b| b.total.total_cmp(&a.total));
        Profile { kernels }
    }
}
