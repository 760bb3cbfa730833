//! Taking a device for another one: for tests on a machine that has no other.

use super::needs::Offer;
use super::{AdapterKind, AdapterSummary};

/// What a device is taken for. Its plans and its choice of kernels are those of such a device; what runs has to be
/// within what the adapter itself can do.
#[derive(Clone, Copy, Debug)]
pub struct Pose {
    /// The kind of the adapter.
    pub kind: AdapterKind,
    /// What it offers to kernels.
    pub offer: Offer,
    /// Whether kernels may compute in half precision.
    pub f16: bool,
    /// Whether kernels can be timed on the device.
    pub timestamps: bool,
    /// Most bytes of one binding.
    pub max_binding_bytes: u64,
    /// Memory of its own, in bytes, where that is known.
    pub memory_bytes: Option<u64>,
}

impl Pose {
    /// A device of this kind with no more than what is asked of every adapter, and WebGPU's bindings of 128 MiB.
    pub const fn least(kind: AdapterKind) -> Self {
        Self {
            kind,
            offer: Offer::LEAST,
            f16: false,
            timestamps: false,
            max_binding_bytes: 128 << 20,
            memory_bytes: None,
        }
    }

    /// The same with subgroups of so many lanes or more.
    pub const fn with_subgroups(self, lanes: u32) -> Self {
        Self { offer: Offer { smallest_subgroup: lanes, ..self.offer }, ..self }
    }

    /// The same with bindings of at most so many bytes.
    pub const fn with_bindings(self, max_binding_bytes: u64) -> Self {
        Self { max_binding_bytes, ..self }
    }

    /// The same with so much memory of its own.
    pub const fn with_memory(self, bytes: u64) -> Self {
        Self { memory_bytes: Some(bytes), ..self }
    }

    /// How such an adapter describes itself under this name.
    pub(super) fn describe(&self, adapter: AdapterSummary) -> AdapterSummary {
        AdapterSummary {
            kind: self.kind,
            max_binding_bytes: self.max_binding_bytes.min(adapter.max_binding_bytes),
            max_workgroup_bytes: self.offer.workgroup_bytes,
            max_workgroup_invocations: self.offer.invocations,
            subgroup_min: self.offer.smallest_subgroup,
            subgroup_max: self.offer.smallest_subgroup,
            f16: self.f16,
            timestamps: self.timestamps && adapter.timestamps,
            ..adapter
        }
    }
}
