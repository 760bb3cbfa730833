//! What the kernels ask of an adapter. One that has less is passed over, and said to be where it is asked for.

/// Storage buffers of a kernel.
pub const STORAGE_BUFFERS: u32 = 8;
/// Invocations of a workgroup, all in its first direction.
pub const INVOCATIONS: u32 = 256;
/// Bytes of workgroup memory.
pub const WORKGROUP_BYTES: u32 = 16 << 10;
/// Bytes of immediates (push constants).
pub const IMMEDIATE_BYTES: u32 = 104;

/// An adapter that cannot run the kernels.
pub(super) struct Refused {
    /// Its name.
    pub name: String,
    /// What it has too little of, in words that follow its name.
    pub lacks: String,
}

/// What an adapter of these features and limits has too little of; `None` where the kernels run on it.
pub(super) fn lacking(features: wgpu::Features, limits: &wgpu::Limits) -> Option<String> {
    if !features.contains(wgpu::Features::IMMEDIATES) {
        return Some("has no immediates (push constants), and kernels need them".into());
    }
    let invocations = limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x);
    let lacks = [
        ("storage buffers in a kernel", limits.max_storage_buffers_per_shader_stage, STORAGE_BUFFERS),
        ("invocations in a workgroup", invocations, INVOCATIONS),
        ("bytes of workgroup memory", limits.max_compute_workgroup_storage_size, WORKGROUP_BYTES),
        ("bytes of immediates", limits.max_immediate_size, IMMEDIATE_BYTES),
    ];
    let lacks: Vec<_> = lacks
        .into_iter()
        .filter(|(_, has, needed)| has < needed)
        .map(|(what, has, needed)| format!("{has} {what} where kernels need {needed}"))
        .collect();
    (!lacks.is_empty()).then(|| format!("allows {}", lacks.join(", and ")))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }
}
