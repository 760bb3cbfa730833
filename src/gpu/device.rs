//! An opened adapter: memory, kernels, transfers.

use super::kernel::{Compiled, Registry};
use super::profile::Timestamps;
use super::{AdapterSummary, Buffer, DeviceChoice, Dispatch, Grid, Immediates, Kernel, Profile, Recorder};
use crate::{Error, Result};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// How to open a device.
#[derive(Clone, Debug, Default)]
pub struct GpuOptions {
    /// Which adapter.
    pub device: DeviceChoice,
    /// Cut tensors smaller than the device needs, so that tests reach the sharded path.
    pub max_binding_bytes: Option<u64>,
    /// Compile kernels with bounds checks (tests), not without (speed).
    pub checked: bool,
    /// Time every kernel.
    pub profile: bool,
}

/// The smallest `--max-binding-bytes`.
const SMALLEST_BINDING: u64 = 64 << 10;

/// Written bytes that wgpu may hold a copy of in host memory. It keeps one until something is submitted.
const MOST_WRITTEN: u64 = 32 << 20;

/// An open device.
#[derive(Debug)]
pub struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    /// What it is.
    pub adapter: AdapterSummary,
    max_binding_bytes: u64,
    checked: bool,
    registry: Registry,
    /// The first thing that went wrong outside a call that could return it.
    fault: Arc<Mutex<Option<String>>>,
    staging: Mutex<Option<wgpu::Buffer>>,
    /// Bytes that were written since the device last took them over.
    written: AtomicU64,
    pub(super) timestamps: Option<Timestamps>,
}

impl Gpu {
    /// Opens an adapter with all that it offers.
    pub fn open(options: &GpuOptions) -> Result<Self> {
        let (adapter, summary) = super::choose(&options.device)?;
        let features = adapter.features()
            & (wgpu::Features::IMMEDIATES | wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::SUBGROUP);
        if options.profile && !features.contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Err(Error::setting(
                "--profile",
                format!("{} cannot time kernels on the device", summary.name),
                "leave it out or choose another --device",
            ));
        }
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("fedfunnel"),
            required_features: features,
            required_limits: adapter.limits(),
            memory_hints: wgpu::MemoryHints::Performance,
            ..Default::default()
        }))
        .map_err(|e| {
            Error::device(format!("{} could not be opened: {e}", summary.name), "choose another --device")
        })?;
        let max_binding_bytes = match options.max_binding_bytes {
            Some(bytes) if bytes < SMALLEST_BINDING => {
                return Err(Error::setting(
                    "--max-binding-bytes",
                    format!("{bytes} is too small"),
                    format!("use {SMALLEST_BINDING} or more"),
                ));
            }
            Some(bytes) => bytes.min(summary.max_binding_bytes),
            None => summary.max_binding_bytes,
        };
        let fault = Arc::new(Mutex::new(None));
        let remember = |fault: &Arc<Mutex<Option<String>>>, text: String| {
            fault.lock().unwrap_or_else(|e| e.into_inner()).get_or_insert(text);
        };
        let seen = fault.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| remember(&seen, error.to_string())));
        let seen = fault.clone();
        device.set_device_lost_callback(move |reason, message| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                remember(&seen, format!("the device was lost: {message}"));
            }
        });
        let timestamps = options.profile.then(|| Timestamps::new(&device, &queue));
        Ok(Self {
            device,
            queue,
            adapter: summary,
            max_binding_bytes,
            checked: options.checked,
            registry: Registry::default(),
            fault,
            staging: Mutex::new(None),
            written: AtomicU64::new(0),
            timestamps,
        })
    }

    /// Most bytes that one binding may have: what tensors are cut to.
    pub fn max_binding_bytes(&self) -> u64 {
        self.max_binding_bytes
    }

    /// Most workgroups of one dispatch in one direction.
    pub fn max_workgroups(&self) -> u32 {
        self.device.limits().max_compute_workgroups_per_dimension
    }

    /// Whether the lanes of a workgroup of `lanes` can read each other's values: the adapter has subgroup
    /// operations, and no subgroup is smaller.
    pub fn shares_between_lanes(&self, lanes: u32) -> bool {
        self.device.features().contains(wgpu::Features::SUBGROUP) && self.adapter.subgroup_min >= lanes
    }

    /// A zeroed buffer of 32-bit elements.
    pub fn zeros(&self, label: &str, elements: usize) -> Result<Buffer> {
        // Padded to 16 bytes, so that a kernel may see it as vec4.
        let bytes = ((elements.max(1) * 4) as u64).next_multiple_of(16);
        if bytes > self.max_binding_bytes {
            return Err(Error::device(
                format!(
                    "{label} needs {bytes} bytes in one binding, and {} allows {}",
                    self.adapter.name, self.max_binding_bytes
                ),
                "use a smaller batch, fewer collaborators at a time, or a larger --max-binding-bytes",
            ));
        }
        let raw = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        self.check()?;
        Ok(Buffer::new(raw, elements))
    }

    /// A buffer holding `values`.
    pub fn upload<T: bytemuck::Pod>(&self, label: &str, values: &[T]) -> Result<Buffer> {
        let buffer = self.zeros(label, std::mem::size_of_val(values).div_ceil(4))?;
        self.write(&buffer, 0, values);
        Ok(buffer)
    }

    /// Writes `values` from element `start` on. Takes effect before whatever is submitted next.
    pub fn write<T: bytemuck::Pod>(&self, buffer: &Buffer, start: usize, values: &[T]) {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        let mut at = start as u64 * 4;
        for part in bytes.chunks(MOST_WRITTEN as usize) {
            if part.len().is_multiple_of(4) {
                self.queue.write_buffer(&buffer.raw, at, part);
            } else {
                let mut padded = part.to_vec();
                padded.resize(part.len().next_multiple_of(4), 0);
                self.queue.write_buffer(&buffer.raw, at, &padded);
            }
            at += part.len() as u64;
            if self.written.fetch_add(part.len() as u64, Ordering::Relaxed) >= MOST_WRITTEN {
                self.written.store(0, Ordering::Relaxed);
                let submission = self.queue.submit(None);
                // A device that is lost says so to whatever waits for its results.
                let _ = self
                    .device
                    .poll(wgpu::PollType::Wait { submission_index: Some(submission), timeout: None });
            }
        }
    }

    /// Reads a whole buffer back, waiting for all submitted work: the one readback path.
    pub fn read<T: bytemuck::Pod>(&self, buffer: &Buffer) -> Result<Vec<T>> {
        self.read_part(buffer, 0, buffer.len())
    }

    /// Reads `count` elements from `start` on.
    pub fn read_part<T: bytemuck::Pod>(&self, buffer: &Buffer, start: usize, count: usize) -> Result<Vec<T>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let bytes = count as u64 * 4;
        // The staging buffer is out of its place while it is mapped: after a failure a new one is made.
        let mut place = self.staging.lock().unwrap_or_else(|e| e.into_inner());
        let staging = place.take().filter(|staging| staging.size() >= bytes).unwrap_or_else(|| {
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("readback"),
                size: bytes.next_power_of_two().min(self.device.limits().max_buffer_size).max(bytes),
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        });
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&buffer.raw, start as u64 * 4, &staging, 0, bytes);
        self.queue.submit([encoder.finish()]);
        let slice = staging.slice(..bytes);
        let (sender, answer) = std::sync::mpsc::channel();
        slice.map_async(wgpu::MapMode::Read, move |result| {
            let _ = sender.send(result.is_ok());
        });
        self.wait()?;
        // Where another thread waits too, it may be the one that calls back, and after this one's wait.
        let mapped = answer.recv().unwrap_or(false);
        let view = match (mapped, slice.get_mapped_range()) {
            (true, Ok(view)) => view,
            _ => {
                self.check()?;
                return Err(Error::device(
                    "the device returned no data",
                    "run again, or choose another --device",
                ));
            }
        };
        let values = bytemuck::pod_collect_to_vec(&view);
        drop(view);
        staging.unmap();
        *place = Some(staging);
        Ok(values)
    }

    /// Waits until everything that was submitted has run.
    pub fn wait(&self) -> Result<()> {
        let polled = self.device.poll(wgpu::PollType::wait_indefinitely());
        self.check()?;
        polled.map(|_| ()).map_err(|e| {
            Error::device(
                format!("waiting for the device failed: {e}"),
                "run again, or choose another --device",
            )
        })
    }

    pub(super) fn wait_for(&self, submission: wgpu::SubmissionIndex) -> Result<()> {
        let polled =
            self.device.poll(wgpu::PollType::Wait { submission_index: Some(submission), timeout: None });
        self.check()?;
        polled.map(|_| ()).map_err(|e| {
            Error::device(
                format!("waiting for the device failed: {e}"),
                "run again, or choose another --device",
            )
        })
    }

    /// An error where the device has reported a fault since the last call.
    pub fn check(&self) -> Result<()> {
        match self.fault.lock().unwrap_or_else(|e| e.into_inner()).take() {
            None => Ok(()),
            Some(fault) => Err(Error::device(
                format!("{}: {}", self.adapter.name, fault.trim().replace('\n', " ")),
                "free memory on the device, use smaller shapes, or choose another --device",
            )),
        }
    }

    /// Makes a dispatch: compiles the kernel where needed, binds the buffers by the names that the
    /// WGSL gives them, and keeps the immediates. `grid` counts invocations.
    pub fn dispatch<I: Immediates>(
        &self,
        kernel: &Kernel,
        immediates: &I,
        buffers: &[(&str, &Buffer)],
        grid: Grid,
    ) -> Result<Dispatch> {
        let compiled = self.registry.get(&self.device, kernel, self.checked)?;
        self.check()?;
        compiled.reflected.check::<I>(kernel)?;
        let bind_group = self.bind(&compiled, buffers)?;
        let [x, y, z] = compiled.reflected.workgroup;
        let groups = [grid.0.div_ceil(x), grid.1.div_ceil(y), grid.2.div_ceil(z)];
        let most = self.max_workgroups();
        if groups.iter().any(|&n| n > most || n == 0) {
            return Err(Error::device(
                format!(
                    "{} would need {groups:?} workgroups, and the device allows 1 to {most}",
                    kernel.entry
                ),
                "use a smaller batch or fewer collaborators at a time",
            ));
        }
        Ok(Dispatch::new(compiled, bind_group, bytemuck::bytes_of(immediates), groups))
    }

    fn bind(&self, compiled: &Compiled, buffers: &[(&str, &Buffer)]) -> Result<wgpu::BindGroup> {
        let kernel = &compiled.kernel;
        let wanted = &compiled.reflected.bindings;
        let find = |name: &str| buffers.iter().find(|(given, _)| *given == name).map(|(_, buffer)| *buffer);
        if wanted.len() != buffers.len() || wanted.iter().any(|w| find(&w.name).is_none()) {
            return Err(Error::device(
                format!(
                    "bindings differ: shaders/{}.wgsl has {:?} for {}, the host gives {:?}",
                    kernel.shader,
                    wanted.iter().map(|w| &w.name).collect::<Vec<_>>(),
                    kernel.entry,
                    buffers.iter().map(|(name, _)| name).collect::<Vec<_>>()
                ),
                "this is a fault of fedfunnel; report it",
            ));
        }
        let entries: Vec<_> = wanted
            .iter()
            .filter_map(|w| {
                let buffer = find(&w.name)?;
                Some(wgpu::BindGroupEntry { binding: w.index, resource: buffer.raw.as_entire_binding() })
            })
            .collect();
        Ok(self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(kernel.entry),
            layout: &compiled.layout,
            entries: &entries,
        }))
    }

    /// Starts recording.
    pub fn recorder(&self) -> Recorder<'_> {
        Recorder::new(self)
    }

    /// Records one list of dispatches and submits it.
    pub fn run(&self, dispatches: &[Dispatch]) -> Result<()> {
        let mut recorder = self.recorder();
        recorder.all(dispatches)?;
        recorder.submit()?;
        Ok(())
    }

    /// What the kernels cost so far; nothing where profiling is off.
    pub fn profile(&self) -> Option<Profile> {
        self.timestamps.as_ref().map(Timestamps::profile)
    }
}
