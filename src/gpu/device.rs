//! An opened adapter: memory, kernels, transfers.

use super::account::{Account, MemoryUse};
use super::buffer::Memory;
use super::capacity::{self, Capacity};
use super::dispatch::Call;
use super::fault::Faults;
use super::needs::Offer;
use super::pace::Pace;
use super::profile::Timestamps;
use super::reflection::{Binding, Compiled};
use super::registry::Registry;
use super::shard::SMALLER;
use super::{
    AdapterKind, AdapterSummary, Buffer, Cost, DeviceChoice, DeviceClass, Dispatch, FEW_LANES, Grid,
    Immediates, Interrupt, Kernel, Pose, Profile, SHARING_LANES, Span, Trace,
};
use crate::lock::lock;
use crate::{Error, Result};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

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
    /// Where spans of the host and times of the kernels are noted.
    pub trace: Option<Arc<Trace>>,
    /// Most time of one submit (a quarter of a second where not given), so that no watchdog resets the device. A
    /// processor has none, and is not held to it.
    pub max_submit: Option<Duration>,
    /// Asked between submits whether the work is to be broken off, which is an [`Error::Interrupted`].
    pub interrupt: Option<Interrupt>,
    /// Takes the kernels of this class instead of the adapter's own: for tests.
    pub posing: Option<DeviceClass>,
    /// Plans and chooses kernels as for this device instead of the adapter: for tests.
    pub pose: Option<Pose>,
    /// Gives the device up after so many submits, as a driver that resets it does: for tests.
    pub lose_after: Option<u64>,
}

/// The smallest `--max-binding-bytes`.
const SMALLEST_BINDING: u64 = 64 << 10;

/// Written bytes that wgpu may hold a copy of in host memory. It keeps one until something is submitted.
const MOST_WRITTEN: u64 = 16 << 20;

/// Most bytes that are read back or written at a time where there is a choice.
const BLOCK_BYTES: u64 = 32 << 20;

/// The account's label of written values that the device has not taken over yet.
const WRITES: &str = "writes on their way";

/// What to do where a device fails without a cause that can be removed.
const RUN_AGAIN: &str = "run again, or choose another --device";

/// Waits for this submission.
fn until(submission: wgpu::SubmissionIndex) -> wgpu::PollType {
    wgpu::PollType::Wait { submission_index: Some(submission), timeout: None }
}

/// An open device. A clone is the same device: it may be kept and sent anywhere.
#[derive(Clone, Debug)]
pub struct Gpu(Arc<OpenDevice>);

impl std::ops::Deref for Gpu {
    type Target = OpenDevice;

    fn deref(&self) -> &OpenDevice {
        &self.0
    }
}

/// The device that the clones of a [`Gpu`] share.
#[derive(Debug)]
pub struct OpenDevice {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    /// The adapter that was opened.
    pub adapter: AdapterSummary,
    class: DeviceClass,
    /// What it offers to kernels.
    offer: Offer,
    max_binding_bytes: u64,
    /// The device's own memory.
    memory_bytes: Option<u64>,
    checked: bool,
    registry: Arc<Registry>,
    faults: Arc<Faults>,
    pub(super) pace: Arc<Pace>,
    staging: Mutex<Option<Memory>>,
    account: Arc<Account>,
    /// Whether sizes are counted and nothing is allocated or run.
    rehearsal: bool,
    /// Bytes that were written since the device last took them over.
    written: AtomicU64,
    pub(super) timestamps: Option<Timestamps>,
    trace: Option<Arc<Trace>>,
    interrupt: Option<Interrupt>,
    submits: AtomicU64,
    lose_after: Option<u64>,
}

impl Gpu {
    /// Opens an adapter with all that it offers.
    pub fn open(options: &GpuOptions) -> Result<Self> {
        let span = |name| options.trace.as_ref().map(|trace| trace.span(name));
        let opening = span("open the device");
        let finding = span("find the adapter");
        let (adapter, mut summary) = super::choose(&options.device)?;
        drop(finding);
        let mut offer = super::adapter::offer(&adapter);
        let mut memory_bytes = capacity::device_bytes(&adapter);
        if let Some(pose) = &options.pose {
            summary = pose.describe(summary);
            (offer, memory_bytes) = (pose.offer, pose.memory_bytes);
            if let Some(lacks) = offer.lacks() {
                let problem = format!("{} {lacks}", summary.name);
                return Err(Error::setting("--device", problem, "choose another"));
            }
        }
        let features = adapter.features()
            & (wgpu::Features::IMMEDIATES | wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::SUBGROUP);
        let timed = [("--profile", options.profile), ("--trace", options.trace.is_some())];
        let asked = timed.iter().find(|(_, asked)| *asked);
        if let (Some((option, _)), false) = (asked, summary.timestamps) {
            let problem = format!("{} cannot time kernels on the device", summary.name);
            return Err(Error::setting(*option, problem, "leave it out or choose another --device"));
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
                let mend = format!("use {SMALLEST_BINDING} or more");
                return Err(Error::setting("--max-binding-bytes", format!("{bytes} is too small"), mend));
            }
            Some(bytes) => bytes.min(summary.max_binding_bytes),
            None => summary.max_binding_bytes,
        };
        let faults = Faults::of(&device);
        let timestamps = asked.map(|_| Timestamps::new(&device, &queue, options.trace.clone()));
        let class = options.posing.unwrap_or_else(|| DeviceClass::of(summary.kind, offer.smallest_subgroup));
        drop(opening);
        Ok(Self(Arc::new(OpenDevice {
            device,
            queue,
            class,
            offer,
            adapter: summary,
            max_binding_bytes,
            memory_bytes,
            checked: options.checked,
            registry: Arc::default(),
            faults,
            pace: Arc::new(Pace::new(class, options.max_submit)),
            staging: Mutex::new(None),
            account: Arc::default(),
            rehearsal: false,
            written: AtomicU64::new(0),
            timestamps,
            trace: options.trace.clone(),
            interrupt: options.interrupt.clone(),
            submits: AtomicU64::new(0),
            lose_after: options.lose_after,
        })))
    }

    /// The same device, on which memory is counted and nothing is allocated or run: buffers are as large as one
    /// vector, writes and dispatches go nowhere, and reads give zeros. The code that takes memory tells so beforehand
    /// how much it will take.
    pub fn rehearsal(&self) -> Self {
        Self(Arc::new(OpenDevice {
            device: self.device.clone(),
            queue: self.queue.clone(),
            adapter: self.adapter.clone(),
            class: self.class,
            offer: self.offer,
            max_binding_bytes: self.max_binding_bytes,
            memory_bytes: self.memory_bytes,
            checked: self.checked,
            registry: self.registry.clone(),
            faults: self.faults.clone(),
            pace: self.pace.clone(),
            staging: Mutex::new(None),
            account: Arc::default(),
            rehearsal: true,
            written: AtomicU64::new(0),
            timestamps: None,
            trace: None,
            interrupt: self.interrupt.clone(),
            submits: AtomicU64::new(0),
            lose_after: None,
        }))
    }

    /// Whether work is counted here and not done.
    pub(crate) fn is_rehearsal(&self) -> bool {
        self.rehearsal
    }

    /// The trace that it writes to, where there is one.
    pub fn trace(&self) -> Option<&Arc<Trace>> {
        self.trace.as_ref()
    }

    fn span(&self, name: &str) -> Option<Span> {
        self.trace.as_ref().map(|trace| trace.span(name))
    }

    /// An error where the work on it is to be broken off.
    pub(super) fn check_interrupt(&self) -> Result<()> {
        self.interrupt.as_ref().map_or(Ok(()), Interrupt::check)
    }

    /// Sends what was recorded to the device.
    pub(super) fn submit(&self, encoder: wgpu::CommandEncoder) -> wgpu::SubmissionIndex {
        let _submit = self.span("submit");
        let submission = self.queue.submit([encoder.finish()]);
        self.writes_are_taken();
        if Some(self.submits.fetch_add(1, Ordering::Relaxed) + 1) == self.lose_after {
            self.lose();
        }
        submission
    }

    /// How much memory there is.
    pub fn capacity(&self) -> Capacity {
        let shared = matches!(self.adapter.kind, AdapterKind::Cpu | AdapterKind::Integrated);
        Capacity { device: self.memory_bytes, host: capacity::host_bytes(), shared }
    }

    /// The device's memory in use now.
    pub fn memory(&self) -> MemoryUse {
        self.account.now()
    }

    /// The device's memory in use at the peak.
    pub fn peak_memory(&self) -> MemoryUse {
        self.account.peak()
    }

    /// How many command buffers were submitted so far.
    pub fn submits(&self) -> u64 {
        self.submits.load(Ordering::Relaxed)
    }

    /// The kernels that dispatches were made of so far, on this device and its rehearsals.
    pub fn kernels(&self) -> Vec<Kernel> {
        self.registry.kernels()
    }

    /// What it offers to kernels.
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// Reports too little memory, as a driver does whose memory another program has taken: for tests.
    #[doc(hidden)]
    pub fn run_out_of_memory(&self) {
        self.faults.out_of_memory();
    }

    /// Gives the device up, as a driver that resets it does: for tests.
    #[doc(hidden)]
    pub fn lose(&self) {
        self.device.destroy();
    }

    /// How much to read back or write at a time where there is a choice: a part of a binding, so that tests
    /// with small ones reach several blocks.
    pub fn block_bytes(&self) -> u64 {
        BLOCK_BYTES.min(self.max_binding_bytes / 4)
    }

    fn allocate(&self, label: &str, bytes: u64, usage: wgpu::BufferUsages) -> Memory {
        let raw = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: if self.rehearsal { 16 } else { bytes },
            usage,
            mapped_at_creation: false,
        });
        Memory::new(raw, label, bytes, &self.account)
    }

    /// The device has been given all that was written.
    pub(super) fn writes_are_taken(&self) {
        self.account.give_back(WRITES, self.written.swap(0, Ordering::Relaxed));
    }

    /// Most bytes that one binding may have: what tensors are cut to.
    pub fn max_binding_bytes(&self) -> u64 {
        self.max_binding_bytes
    }

    /// Most workgroups of one dispatch in one direction.
    pub fn max_workgroups(&self) -> u32 {
        self.offer.workgroups
    }

    /// Which kernels it takes.
    pub fn class(&self) -> DeviceClass {
        self.class
    }

    /// Whether it has subgroup operations, and so many lanes or more in every subgroup: what kernels whose lanes read
    /// each other's values need, whichever class takes them.
    pub fn has_subgroups(&self, lanes: u32) -> bool {
        self.offer.smallest_subgroup >= lanes
    }

    /// Whether it is a processor whose lanes can share what they load in fours and no more.
    pub fn shares_in_fours(&self) -> bool {
        let lanes = FEW_LANES..SHARING_LANES;
        self.class == DeviceClass::CpuPlain && lanes.contains(&self.offer.smallest_subgroup)
    }

    /// A zeroed buffer of 32-bit elements.
    pub fn zeros(&self, label: &str, elements: usize) -> Result<Buffer> {
        // Padded to 16 bytes, so that a kernel may see it as vec4.
        let bytes = ((elements.max(1) * 4) as u64).next_multiple_of(16);
        if bytes > self.max_binding_bytes {
            let (name, most) = (&self.adapter.name, self.max_binding_bytes);
            let problem = format!("{label} needs {bytes} bytes in one binding, and {name} allows {most}");
            return Err(Error::device(problem, SMALLER));
        }
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let memory = self.allocate(label, bytes, usage);
        self.check()?;
        Ok(Buffer::new(memory, elements))
    }

    /// A buffer holding `values`.
    pub fn upload<T: bytemuck::Pod>(&self, label: &str, values: &[T]) -> Result<Buffer> {
        let buffer = self.zeros(label, std::mem::size_of_val(values).div_ceil(4))?;
        self.write(&buffer, 0, values);
        Ok(buffer)
    }

    /// Writes `values` from element `start` on. Takes effect before the next submit.
    pub fn write<T: bytemuck::Pod>(&self, buffer: &Buffer, start: usize, values: &[T]) {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        let mut at = start as u64 * 4;
        for part in bytes.chunks(MOST_WRITTEN as usize) {
            if self.rehearsal {
                // Counted below.
            } else if part.len().is_multiple_of(4) {
                self.queue.write_buffer(&buffer.memory.raw, at, part);
            } else {
                let mut padded = part.to_vec();
                padded.resize(part.len().next_multiple_of(4), 0);
                self.queue.write_buffer(&buffer.memory.raw, at, &padded);
            }
            let bytes = part.len() as u64;
            at += bytes;
            self.account.take(WRITES, bytes);
            if self.written.fetch_add(bytes, Ordering::Relaxed) + bytes >= MOST_WRITTEN {
                let submission = self.queue.submit(None);
                self.writes_are_taken();
                // A lost device is an error where its results are read.
                let _ = self.device.poll(until(submission));
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
        let mut place = lock(&self.staging);
        let staging = place.take().filter(|staging| staging.bytes >= bytes).unwrap_or_else(|| {
            let size = bytes.next_power_of_two().min(self.device.limits().max_buffer_size).max(bytes);
            self.allocate("readback", size, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST)
        });
        if self.rehearsal {
            *place = Some(staging);
            return Ok(vec![T::zeroed(); count]);
        }
        let _readback = self.span("readback");
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&buffer.memory.raw, start as u64 * 4, &staging.raw, 0, bytes);
        self.submit(encoder);
        let slice = staging.raw.slice(..bytes);
        let (sender, answer) = std::sync::mpsc::channel();
        slice.map_async(wgpu::MapMode::Read, move |result| {
            let _ = sender.send(result.is_ok());
        });
        self.wait()?;
        // Where another thread waits too, it may be the one that calls back, and after this one's wait.
        let mapped = answer.recv().unwrap_or(false);
        let Some(view) = slice.get_mapped_range().ok().filter(|_| mapped) else {
            self.check()?;
            return Err(Error::device("the device returned no data", RUN_AGAIN));
        };
        let values = bytemuck::pod_collect_to_vec(&view);
        drop(view);
        staging.raw.unmap();
        *place = Some(staging);
        Ok(values)
    }

    /// Waits until everything that was submitted has run.
    pub fn wait(&self) -> Result<()> {
        self.poll(wgpu::PollType::wait_indefinitely())
    }

    pub(super) fn wait_for(&self, submission: wgpu::SubmissionIndex) -> Result<()> {
        self.poll(until(submission))
    }

    fn poll(&self, how: wgpu::PollType) -> Result<()> {
        let _wait = self.span("wait");
        let mut polled = self.device.poll(how.clone());
        // OpenGL ES waits for four seconds at most.
        while matches!(polled, Err(wgpu::PollError::Timeout)) {
            self.check()?;
            polled = self.device.poll(how.clone());
        }
        if polled.is_err() {
            // Lets wgpu call back where the device is lost.
            let _ = self.device.poll(wgpu::PollType::Poll);
        }
        self.check()?;
        polled.map(drop).map_err(|e| Error::device(format!("waiting for the device failed: {e}"), RUN_AGAIN))
    }

    /// An error where the device has reported a fault since the last call.
    pub fn check(&self) -> Result<()> {
        self.faults.check(&self.adapter.name, || self.account.now().bytes)
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
        let kernel = &kernel.for_class(self.class);
        let compiled =
            self.registry.get(&self.device, &self.offer, kernel, self.checked, self.trace.as_ref())?;
        self.check()?;
        compiled.reflected.check::<I>(kernel)?;
        let group = self.bind(&compiled, buffers)?;
        let [x, y, z] = compiled.reflected.workgroup;
        let groups = [grid.0.div_ceil(x), grid.1.div_ceil(y), grid.2.div_ceil(z)];
        let most = self.max_workgroups();
        if groups.iter().any(|&n| n > most || n == 0) {
            let entry = kernel.entry;
            let problem =
                format!("{entry} would need {groups:?} workgroups, and the device allows 1 to {most}");
            let mend = "use narrower layers, a smaller batch or fewer collaborators at a time";
            return Err(Error::device(problem, mend));
        }
        let bound = buffers.iter().map(|(_, buffer)| buffer.memory.clone()).collect();
        let immediates = bytemuck::bytes_of(immediates).into();
        let call = Call { compiled, immediates, groups, cost: Cost::default() };
        Ok(Dispatch::new(call, group, bound))
    }

    fn bind(&self, compiled: &Compiled, buffers: &[(&str, &Buffer)]) -> Result<wgpu::BindGroup> {
        let kernel = &compiled.kernel;
        let wanted = &compiled.reflected.bindings;
        let find = |name: &str| buffers.iter().find(|(given, _)| *given == name).map(|(_, buffer)| *buffer);
        if wanted.len() != buffers.len() || wanted.iter().any(|w| find(&w.name).is_none()) {
            return Err(Error::fault(format!(
                "bindings differ: shaders/{}.wgsl has {:?} for {}, the host gives {:?}",
                kernel.shader,
                wanted.iter().map(|w| &w.name).collect::<Vec<_>>(),
                kernel.entry,
                buffers.iter().map(|(name, _)| name).collect::<Vec<_>>()
            )));
        }
        let entry = |w: &Binding| {
            let resource = find(&w.name)?.memory.raw.as_entire_binding();
            Some(wgpu::BindGroupEntry { binding: w.index, resource })
        };
        let entries: Vec<_> = wanted.iter().filter_map(entry).collect();
        Ok(self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(kernel.entry),
            layout: &compiled.layout,
            entries: &entries,
        }))
    }

    /// The cost of the kernels so far; None where they are not timed.
    pub fn profile(&self) -> Option<Profile> {
        self.timestamps.as_ref().map(Timestamps::profile)
    }
}
