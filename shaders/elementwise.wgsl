// Filling.

struct Filling {
    first: u32,
    count: u32,
    value: f32,
}
var<immediate> filling: Filling;

@group(0) @binding(0) var<storage, read_write> destination: array<f32>;

@compute @workgroup_size(64, 1, 1)
fn fill(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    for (var i = id.x; i < filling.count; i += groups.x * 64u) {
        destination[filling.first + i] = filling.value;
    }
}
