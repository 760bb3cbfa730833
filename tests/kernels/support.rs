//! What all modules share: the devices, test values, and comparing with a twin.

use fedfunnel::gpu::{DeviceClass, Gpu, GpuOptions, Tensor};
use fedfunnel::reference::compare::{Tolerance, assert_close};
use fedfunnel::reference::random::uniform_tensor;
use std::sync::OnceLock;

/// The smallest binding limit there is: tensors of a few thousand rows are cut into shards.
pub const SMALL_BINDING: u64 = 64 << 10;

/// The adapter with tensors cut to a size of one's own.
pub fn open(max_binding_bytes: Option<u64>) -> Gpu {
    open_as(max_binding_bytes, None)
}

/// The same with the kernels of another class, whose lanes must not share more than this adapter's can.
pub fn posing(max_binding_bytes: Option<u64>, class: DeviceClass) -> Gpu {
    open_as(max_binding_bytes, Some(class))
}

fn open_as(max_binding_bytes: Option<u64>, posing: Option<DeviceClass>) -> Gpu {
    static QUIET: OnceLock<()> = OnceLock::new();
    // SAFETY: only a driver would read these variables behind Rust's back, and every device of this
    // binary is opened here, after this.
    QUIET.get_or_init(|| unsafe { fedfunnel::gpu::quieten_drivers() });
    Gpu::open(&GpuOptions { checked: true, max_binding_bytes, posing, ..Default::default() })
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The device as it is.
pub fn gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    GPU.get_or_init(|| open(None))
}

/// The same adapter, with tensors cut to [`SMALL_BINDING`].
pub fn small_gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    GPU.get_or_init(|| open(Some(SMALL_BINDING)))
}

/// The same adapter, as if its lanes could not read each other's values: the kernels of such adapters.
pub fn plain_gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    GPU.get_or_init(|| if gpu().class().is_cpu() { posing(None, DeviceClass::CpuPlain) } else { open(None) })
}

/// The same adapter, as if it were a GPU: the kernels that GPUs take.
pub fn posing_gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    GPU.get_or_init(|| posing(None, DeviceClass::Gpu))
}

/// Whether this device runs kernels whose lanes share what they load: CPUs with eight lanes or more do.
pub fn has_sharing_lanes(gpu: &Gpu) -> bool {
    gpu.class().shares_loads()
}

/// Values in [-1, 1), different ones for each `tensor`.
pub fn values(length: usize, tensor: u32) -> Vec<f32> {
    uniform_tensor(length, 0, tensor, 31, 1.0)
}

/// Values as a twin takes them.
pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

/// Holds a tensor on the device against its twin.
#[track_caller]
pub fn assert_tensor(what: &str, gpu: &Gpu, actual: &Tensor, expected: &[f64], tolerance: Tolerance) {
    assert_close(what, &actual.read(gpu).unwrap(), expected, tolerance);
}

/// Rows as the codecs take them.
pub fn slices(rows: &[Vec<f32>]) -> Vec<&[f32]> {
    rows.iter().map(Vec::as_slice).collect()
}
