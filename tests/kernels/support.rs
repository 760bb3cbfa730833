//! What all modules share: the devices, test values, and comparing with a twin.

use fedfunnel::gpu::{
    AdapterKind, DeviceChoice, DeviceClass, FEW_LANES, Gpu, GpuOptions, Pose, SHARING_LANES, Tensor,
};
use fedfunnel::reference::compare::{Tolerance, assert_close};
use fedfunnel::reference::random::uniform_tensor;
use std::sync::OnceLock;

/// The smallest binding limit there is: tensors of a few thousand rows are cut into shards.
pub const SMALL_BINDING: u64 = 64 << 10;

/// The variable that has these tests take the adapter for one of another class: `gpu` or `cpu-plain`. What a test takes
/// for granted of the adapter shows on a machine that has no other.
const CLASS: &str = "FEDFUNNEL_KERNELS_AS";

/// The variable that has these tests take another adapter than the best, as `--device` names it: `gl`, say.
const ADAPTER: &str = "FEDFUNNEL_KERNELS_ON";

/// The adapter that [`ADAPTER`] names.
pub fn device() -> DeviceChoice {
    std::env::var(ADAPTER).map_or(DeviceChoice::Auto, |name| name.parse().expect("any text will do"))
}

/// The class that [`CLASS`] names.
fn named_class() -> Option<DeviceClass> {
    match std::env::var(CLASS).ok()?.as_str() {
        "gpu" => Some(DeviceClass::Gpu),
        "cpu-plain" => Some(DeviceClass::CpuPlain),
        other => panic!("{CLASS}={other}: use gpu or cpu-plain"),
    }
}

/// The adapter with tensors cut to a size of one's own.
pub fn open(max_binding_bytes: Option<u64>) -> Gpu {
    open_as(max_binding_bytes, named_class())
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
    Gpu::open(&GpuOptions {
        device: device(),
        checked: true,
        max_binding_bytes,
        posing,
        ..Default::default()
    })
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

/// The same adapter with the kernels of this class: the shared device where that is its own.
fn as_class(class: DeviceClass, place: &'static OnceLock<Gpu>) -> &'static Gpu {
    if gpu().class() == class { gpu() } else { place.get_or_init(|| posing(None, class)) }
}

/// The same adapter, as if it were a processor whose lanes could not read each other's values.
pub fn plain_gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    if gpu().class() == DeviceClass::CpuPlain && !gpu().shares_in_fours() {
        return gpu();
    }
    GPU.get_or_init(|| open_posing(Pose::least(AdapterKind::Cpu)))
}

/// The adapter posing as this device.
fn open_posing(pose: Pose) -> Gpu {
    let options = GpuOptions { device: device(), checked: true, pose: Some(pose), ..Default::default() };
    Gpu::open(&options).unwrap_or_else(|error| panic!("{error}"))
}

/// The same adapter, as if it were a GPU: the kernels that GPUs take.
pub fn posing_gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    as_class(DeviceClass::Gpu, &GPU)
}

/// The same, with tensors cut to [`SMALL_BINDING`].
pub fn small_posing_gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    GPU.get_or_init(|| posing(Some(SMALL_BINDING), DeviceClass::Gpu))
}

/// The same adapter, as if it were a processor whose lanes share what they load. None where a subgroup may have fewer
/// lanes than those kernels need: there they cannot run.
pub fn sharing_gpu() -> Option<&'static Gpu> {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    has_enough_lanes().then(|| as_class(DeviceClass::CpuLanes, &GPU))
}

/// The same adapter, as if it were a processor whose lanes share what they load in fours and no more. None where it has
/// fewer, or no subgroups.
pub fn sharing_in_fours() -> Option<&'static Gpu> {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    let pose = Pose::least(AdapterKind::Cpu).with_subgroups(FEW_LANES);
    gpu().has_subgroups(FEW_LANES).then(|| GPU.get_or_init(|| open_posing(pose)))
}

/// The same, with tensors cut to [`SMALL_BINDING`].
pub fn small_sharing_gpu() -> Option<&'static Gpu> {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    has_enough_lanes().then(|| GPU.get_or_init(|| posing(Some(SMALL_BINDING), DeviceClass::CpuLanes)))
}

fn has_enough_lanes() -> bool {
    gpu().has_subgroups(SHARING_LANES)
}

/// The same adapter as each class of device that it can pose as, once each. What names a class, or has to reach every
/// kernel, runs on all of them, whichever class the adapter is.
pub fn every_class() -> Vec<&'static Gpu> {
    processors().into_iter().chain([posing_gpu()]).collect()
}

/// Those of them that are processors.
pub fn processors() -> Vec<&'static Gpu> {
    sharing_gpu().into_iter().chain(sharing_in_fours()).chain([plain_gpu()]).collect()
}

/// The processor with the most kernels of its own.
pub fn processor() -> &'static Gpu {
    processors()[0]
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
