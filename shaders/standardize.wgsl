// Standardising and its inverse: y = (x - mean) / scale.

struct Standardize {
    // Lines of one replica, and values per line.
    lines: u32,
    width: u32,
}
var<immediate> standardize: Standardize;

// [R, lines, width]
@group(0) @binding(0) var<storage, read> values: array<f32>;
// [R, width]
@group(0) @binding(1) var<storage, read> means: array<f32>;
// [R]: one for all values of a replica.
@group(0) @binding(2) var<storage, read> scales: array<f32>;
// [R, lines, width]
@group(0) @binding(3) var<storage, read_write> results: array<f32>;

// Workgroups are wide because the lines are: 550,570 values in eights would be more workgroups than a device
// allows.
@compute @workgroup_size(64, 1, 1)
fn standardize_forward(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= standardize.width { return; }
    let at = (id.z * standardize.lines + id.y) * standardize.width + id.x;
    let mean = means[id.z * standardize.width + id.x];
    results[at] = (values[at] - mean) / scales[id.z];
}

@compute @workgroup_size(64, 1, 1)
fn standardize_inverse(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= standardize.width { return; }
    let at = (id.z * standardize.lines + id.y) * standardize.width + id.x;
    results[at] = values[at] * scales[id.z] + means[id.z * standardize.width + id.x];
}
