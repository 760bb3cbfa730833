//! What an adapter is, and which kernels it takes: decided once, when a device is opened.

use serde::Serialize;

/// The kind of an adapter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AdapterKind {
    // In the order in which `auto` takes them.
    /// A GPU with memory of its own.
    Discrete,
    /// A GPU that shares the processor's memory.
    Integrated,
    /// A GPU that a virtual machine is lent.
    Virtual,
    /// Of a kind that the driver does not name.
    #[default]
    Other,
    /// A processor posing as a GPU (lavapipe, SwiftShader, WARP).
    Cpu,
}

impl AdapterKind {
    pub(super) fn of(device_type: wgpu::DeviceType) -> Self {
        match device_type {
            wgpu::DeviceType::DiscreteGpu => Self::Discrete,
            wgpu::DeviceType::IntegratedGpu => Self::Integrated,
            wgpu::DeviceType::VirtualGpu => Self::Virtual,
            wgpu::DeviceType::Cpu => Self::Cpu,
            wgpu::DeviceType::Other => Self::Other,
        }
    }
}

impl std::fmt::Display for AdapterKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Virtual => "virtual",
            Self::Other => "other",
            Self::Cpu => "cpu",
        })
    }
}

/// Which kernels a device takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceClass {
    /// A processor whose subgroups have eight lanes or more, which can read each other's values: loads are what costs,
    /// and one load serves eight lanes. (lavapipe with vectors of 256 bits or more)
    CpuLanes,
    /// A processor with fewer lanes, which a few kernels let share in fours, or without subgroup operations. (lavapipe
    /// with vectors of 128 bits: any processor without AVX, such as ARM; SwiftShader; WARP)
    CpuPlain,
    /// Everything else: many lanes, workgroup memory.
    Gpu,
}

/// Lanes that share what they load: a workgroup, which has to lie in one subgroup.
pub const SHARING_LANES: u32 = 8;

/// The same on processors with fewer, in the files that have a form for them.
pub const FEW_LANES: u32 = 4;

impl DeviceClass {
    /// From what the adapter is, and its smallest subgroup where it has subgroup operations (0 where it has none).
    pub fn of(kind: AdapterKind, smallest_subgroup: u32) -> Self {
        match kind {
            AdapterKind::Cpu if smallest_subgroup >= SHARING_LANES => Self::CpuLanes,
            AdapterKind::Cpu => Self::CpuPlain,
            _ => Self::Gpu,
        }
    }

    /// Whether it is a processor.
    pub fn is_cpu(self) -> bool {
        self != Self::Gpu
    }

    /// Whether its lanes are to share what they load. On a GPU a workgroup of eight lanes would leave most of a subgroup
    /// empty.
    pub fn shares_loads(self) -> bool {
        self == Self::CpuLanes
    }
}
