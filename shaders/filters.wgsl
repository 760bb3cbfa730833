// Training of one value for each filter and unit of a classifier: `decoded += coefficients value`, where the coefficient
// of a weight is what the value scales, and that of a bias is 1.

// Lanes of a workgroup: eight for a CPU, a subgroup for a GPU.
const LANES: u32 = 8u;

struct Apply {
    // Elements of a replica's parameters, in groups of four.
    stride4: u32,
    // From one replica's code to the next one's.
    floats: u32,
}
var<immediate> apply: Apply;

// [stride4]: which value of a code each parameter takes.
@group(0) @binding(0) var<storage, read> filters4: array<vec4<u32>>;
// [R, stride4]: how much of it; 0 where there is no parameter.
@group(0) @binding(1) var<storage, read> coefficients4: array<vec4<f32>>;
// [R, floats]: by how much codes differ from where they started.
@group(0) @binding(2) var<storage, read> shifts: array<f32>;
// [R, stride4]
@group(0) @binding(3) var<storage, read_write> decoded4: array<vec4<f32>>;

// decoded[r, i] += coefficients[r, i] shifts[r, filters[i]]
@compute @workgroup_size(LANES, 1, 1)
fn filters_apply(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= apply.stride4 { return; }
    let at = id.y * apply.stride4 + id.x;
    let place = id.y * apply.floats + filters4[id.x];
    let own = vec4(shifts[place.x], shifts[place.y], shifts[place.z], shifts[place.w]);
    decoded4[at] += coefficients4[at] * own;
}

struct Gather {
    // Elements of a replica's parameters.
    stride: u32,
    // Lanes that share the parameters of a filter.
    lanes: u32,
    // Elements from one replica's partial sums to the next one's, and from one value's to the next one's.
    replica_stride: u32,
    value_stride: u32,
    // Where the partial sums of these parameters begin.
    first_lane: u32,
}
var<immediate> gather: Gather;

// [floats + 1]: where the members of each filter begin.
@group(0) @binding(0) var<storage, read> begins: array<u32>;
// The parameters of each filter, one filter after the other.
@group(0) @binding(2) var<storage, read> members: array<u32>;
// [R, stride]
@group(0) @binding(1) var<storage, read> coefficients: array<f32>;
// [R, stride]: gradients of the parameters.
@group(0) @binding(3) var<storage, read> slopes: array<f32>;
// [R, floats, lanes of all parameters]
@group(0) @binding(4) var<storage, read_write> partial_sums: array<f32>;

// partial_sums[r, k, lane] = sum over the lane's members i of filter k of coefficients[r, i] slopes[r, i]
@compute @workgroup_size(LANES, 1, 1)
fn filters_gradient(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= gather.lanes { return; }
    let first = id.z * gather.stride;
    var sum = 0.0;
    for (var m = begins[id.y] + id.x; m < begins[id.y + 1u]; m += gather.lanes) {
        let at = first + members[m];
        sum += coefficients[at] * slopes[at];
    }
    partial_sums[id.z * gather.replica_stride + id.y * gather.value_stride + gather.first_lane + id.x] = sum;
}
