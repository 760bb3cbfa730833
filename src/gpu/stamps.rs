//! Timestamps that the device takes where passes begin and end.

use crate::{Error, Result};

/// Memory for the beginnings and ends of `capacity` passes.
#[derive(Debug)]
pub(super) struct Stamps {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    readback: wgpu::Buffer,
    /// Nanoseconds of one tick.
    pub period: f64,
    /// Passes that fit.
    pub capacity: u32,
}

impl Stamps {
    pub fn new(device: &wgpu::Device, queue: &wgpu::Queue, capacity: u32) -> Self {
        let buffer = |usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("timestamps"),
                size: u64::from(capacity) * 16,
                usage,
                mapped_at_creation: false,
            })
        };
        Self {
            queries: device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count: capacity * 2,
            }),
            resolved: buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC),
            readback: buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST),
            period: f64::from(queue.get_timestamp_period()),
            capacity,
        }
    }

    /// The timestamps of pass number `place`.
    pub fn of_pass(&self, place: u32) -> wgpu::ComputePassTimestampWrites<'_> {
        wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(2 * place),
            end_of_pass_write_index: Some(2 * place + 1),
        }
    }

    /// Ends a command buffer in which the first `passes` passes are stamped.
    pub fn resolve(&self, encoder: &mut wgpu::CommandEncoder, passes: u32) {
        if passes > 0 {
            encoder.resolve_query_set(&self.queries, 0..2 * passes, &self.resolved, 0);
            encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.readback, 0, u64::from(passes) * 16);
        }
    }

    /// Ticks at the beginning and the end of each; `wait` returns once that command buffer has run.
    pub fn read(&self, passes: u32, wait: impl FnOnce() -> Result<()>) -> Result<Vec<[u64; 2]>> {
        let slice = self.readback.slice(..u64::from(passes) * 16);
        slice.map_async(wgpu::MapMode::Read, |_| {});
        wait()?;
        let view = slice.get_mapped_range().map_err(|e| {
            Error::device(format!("the timestamps could not be read: {e}"), "leave --profile and --trace out")
        })?;
        let ticks = bytemuck::pod_collect_to_vec(&view);
        drop(view);
        self.readback.unmap();
        Ok(ticks)
    }
}
