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

// Faster: a lane takes several values of a line, since a workgroup costs as much as a few of them where a CPU runs them one
// after the other.
@compute @workgroup_size(64, 1, 1)
fn standardize_forward(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let line = (id.z * standardize.lines + id.y) * standardize.width;
    let scale = scales[id.z];
    for (var i = id.x; i < standardize.width; i += groups.x * 64u) {
        results[line + i] = (values[line + i] - means[id.z * standardize.width + i]) / scale;
    }
}

@compute @workgroup_size(64, 1, 1)
fn standardize_inverse(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let line = (id.z * standardize.lines + id.y) * standardize.width;
    let scale = scales[id.z];
    for (var i = id.x; i < standardize.width; i += groups.x * 64u) {
        results[line + i] = values[line + i] * scale + means[id.z * standardize.width + i];
    }
}
