//! What kernels ask of an adapter, and what an adapter offers them. One that has less is passed over, and said to be
//! where it is asked for.

use super::AdapterKind;
use serde::Serialize;

/// Storage buffers of a kernel.
pub const STORAGE_BUFFERS: u32 = 8;
/// Invocations of a workgroup, all in its first direction.
pub const INVOCATIONS: u32 = 256;
/// Bytes of workgroup memory.
pub const WORKGROUP_BYTES: u32 = 16 << 10;
/// Bytes of immediates (push constants).
pub const IMMEDIATE_BYTES: u32 = 104;
/// Workgroups of a dispatch in one direction: WebGPU promises as many.
pub const WORKGROUPS: u32 = 65_535;

/// What an adapter offers to kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Storage buffers of a kernel.
    pub storage_buffers: u32,
    /// Invocations of a workgroup, in its first direction.
    pub invocations: u32,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Bytes of immediates; 0 where there are none.
    pub immediate_bytes: u32,
    /// Workgroups of a dispatch in one direction.
    pub workgroups: u32,
    /// Lanes of the smallest subgroup; 0 where lanes cannot read each other's values.
    pub smallest_subgroup: u32,
}

impl Offer {
    /// What is asked of every adapter, and nothing more.
    pub const LEAST: Self = Self {
        storage_buffers: STORAGE_BUFFERS,
        invocations: INVOCATIONS,
        workgroup_bytes: WORKGROUP_BYTES,
        immediate_bytes: IMMEDIATE_BYTES,
        workgroups: WORKGROUPS,
        smallest_subgroup: 0,
    };

    /// What an adapter of these features and limits offers. `subgroup` has the lanes of its smallest subgroup.
    pub(super) fn of(features: wgpu::Features, limits: &wgpu::Limits, subgroup: u32) -> Self {
        let where_it_has = |feature, figure| if features.contains(feature) { figure } else { 0 };
        Self {
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
            invocations: limits
                .max_compute_invocations_per_workgroup
                .min(limits.max_compute_workgroup_size_x),
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
            immediate_bytes: where_it_has(wgpu::Features::IMMEDIATES, limits.max_immediate_size),
            workgroups: limits.max_compute_workgroups_per_dimension,
            smallest_subgroup: where_it_has(wgpu::Features::SUBGROUP, subgroup),
        }
    }

    /// What it has too little of, in words that follow the adapter's name; `None` where the kernels run on it.
    pub fn lacks(&self) -> Option<String> {
        if self.invocations == 0 {
            return Some("runs no compute shaders".into());
        }
        if self.immediate_bytes == 0 {
            return Some("has no immediates (push constants), and kernels need them".into());
        }
        let lacks = self.less_than(&KernelNeeds::MOST);
        let lacks: Vec<_> =
            lacks.map(|(what, has, needed)| format!("{has} {what} where kernels need {needed}")).collect();
        (!lacks.is_empty()).then(|| format!("allows {}", lacks.join(", and ")))
    }

    /// What there is too little of for a kernel, in words that follow the kernel's name; `None` where it can run.
    pub fn refuses(&self, needs: &KernelNeeds) -> Option<String> {
        let lacks: Vec<_> = self
            .less_than(needs)
            .map(|(what, has, needed)| format!("{needed} {what} where the device allows {has}"))
            .collect();
        (!lacks.is_empty()).then(|| format!("needs {}", lacks.join(", and ")))
    }

    /// What there is less of than is needed: its name, how much there is, and how much is needed.
    fn less_than(&self, needs: &KernelNeeds) -> impl Iterator<Item = (&'static str, u32, u32)> {
        [
            ("storage buffers in a kernel", self.storage_buffers, needs.storage_buffers),
            ("invocations in a workgroup", self.invocations, needs.invocations),
            ("bytes of workgroup memory", self.workgroup_bytes, needs.workgroup_bytes),
            ("bytes of immediates", self.immediate_bytes, needs.immediate_bytes),
            ("lanes in every subgroup", self.smallest_subgroup, needs.subgroup_lanes),
        ]
        .into_iter()
        .filter(|(_, has, needed)| has < needed)
    }
}

/// What a kernel asks of an adapter, read from its WGSL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelNeeds {
    /// Storage buffers that it binds.
    pub storage_buffers: u32,
    /// Invocations of its workgroup.
    pub invocations: u32,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Bytes of immediates.
    pub immediate_bytes: u32,
    /// Lanes that have to lie in one subgroup: a workgroup, where lanes read each other's values, and otherwise 0.
    pub subgroup_lanes: u32,
}

impl KernelNeeds {
    /// The most that a kernel for every adapter may ask for.
    pub const MOST: Self = Self {
        storage_buffers: STORAGE_BUFFERS,
        invocations: INVOCATIONS,
        workgroup_bytes: WORKGROUP_BYTES,
        immediate_bytes: IMMEDIATE_BYTES,
        subgroup_lanes: 0,
    };
}

/// An adapter that cannot run the kernels.
#[derive(Clone, Debug, Default, Serialize)]
pub struct UnsupportedAdapter {
    /// It has no place in the list of those that can be used.
    pub index: Option<usize>,
    /// Its name.
    pub name: String,
    /// vulkan, metal, dx12 or gl.
    pub backend: String,
    /// Its kind.
    pub kind: AdapterKind,
    /// Driver and its version.
    pub driver: String,
    /// What it has too little of, in words that follow its name.
    pub lacks: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacking(features: wgpu::Features, limits: &wgpu::Limits) -> Option<String> {
        Offer::of(features, limits, 4).lacks()
    }

    fn enough() -> wgpu::Limits {
        wgpu::Limits {
            max_storage_buffers_per_shader_stage: STORAGE_BUFFERS,
            max_compute_invocations_per_workgroup: INVOCATIONS,
            max_compute_workgroup_size_x: INVOCATIONS,
            max_compute_workgroup_storage_size: WORKGROUP_BYTES,
            max_immediate_size: IMMEDIATE_BYTES,
            ..Default::default()
        }
    }

    #[test]
    fn an_adapter_with_just_enough_lacks_nothing() {
        assert_eq!(lacking(wgpu::Features::IMMEDIATES, &enough()), None);
    }

    #[test]
    fn each_thing_that_an_adapter_has_too_little_of_is_named_with_both_figures() {
        let lacks = |limits| lacking(wgpu::Features::IMMEDIATES, &limits).expect("something");
        let buffers = wgpu::Limits { max_storage_buffers_per_shader_stage: 4, ..enough() };
        assert_eq!(lacks(buffers), "allows 4 storage buffers in a kernel where kernels need 8");
        let lanes = wgpu::Limits { max_compute_invocations_per_workgroup: 128, ..enough() };
        assert_eq!(lacks(lanes), "allows 128 invocations in a workgroup where kernels need 256");
        let lanes = wgpu::Limits { max_compute_workgroup_size_x: 128, ..enough() };
        assert_eq!(lacks(lanes), "allows 128 invocations in a workgroup where kernels need 256");
        let two =
            wgpu::Limits { max_compute_workgroup_storage_size: 8 << 10, max_immediate_size: 64, ..enough() };
        let words = format!(
            "allows 8192 bytes of workgroup memory where kernels need 16384, and 64 bytes of immediates where \
             kernels need {IMMEDIATE_BYTES}"
        );
        assert_eq!(lacks(two), words);
        let none = lacking(wgpu::Features::empty(), &enough()).expect("something");
        assert!(none.contains("has no immediates"), "{none}");
        let old = wgpu::Limits { max_compute_invocations_per_workgroup: 0, ..enough() };
        assert_eq!(lacks(old), "runs no compute shaders");
    }

    #[test]
    fn a_kernel_that_needs_more_than_there_is_is_refused_with_both_figures() {
        assert_eq!(Offer::LEAST.refuses(&KernelNeeds::MOST), None);
        let sharing = KernelNeeds { subgroup_lanes: 8, ..KernelNeeds::MOST };
        let words = "needs 8 lanes in every subgroup where the device allows 4";
        assert_eq!(Offer { smallest_subgroup: 4, ..Offer::LEAST }.refuses(&sharing).as_deref(), Some(words));
        assert_eq!(Offer { smallest_subgroup: 8, ..Offer::LEAST }.refuses(&sharing), None);
        let greedy = KernelNeeds { workgroup_bytes: 20_000, storage_buffers: 9, ..KernelNeeds::MOST };
        let words = "needs 9 storage buffers in a kernel where the device allows 8, and 20000 bytes of workgroup \
                     memory where the device allows 16384";
        assert_eq!(Offer::LEAST.refuses(&greedy).as_deref(), Some(words));
    }
}
