// Randomised Hadamard rotations of lines of values, block by block and in place.
//
// A block's values at a distance of a power of two are combined to their sum and their difference, divided by
// sqrt(2), for each such distance from the largest to one. Where a block has as many values as a power of two, this is
// the Hadamard transform; otherwise values without a partner stay as they are, and what is done is orthogonal still.

struct Rotation {
    // Values of a line, and the first of those that are rotated.
    width: u32,
    first: u32,
    // Values of a block, of which the last may have fewer; a power of two.
    block: u32,
    // Lanes for a block.
    lanes: u32,
    // The smallest of the three distances of this dispatch, which are a factor of two apart.
    distance: u32,
    // Values of the whole line that stand before this shard's.
    column: u32,
    // Which signs values are multiplied by: 0 and 1 have draws of their own, and any other number leaves them.
    signs: u32,
    // 1: distances go from the smallest to the largest, and signs come last, which undoes the other order.
    back: u32,
}
var<immediate> rotation: Rotation;

// [lines, width]
@group(0) @binding(0) var<storage, read_write> rotated: array<f32>;
// [lines, 2]: what the signs of a line are drawn from.
@group(0) @binding(1) var<storage, read> keys: array<u32>;

// begin shared: pcg4d, from random.wgsl
fn pcg4d(place: vec4<u32>) -> vec4<u32> {
    var v = place * 1664525u + 1013904223u;
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    v ^= v >> vec4(16u);
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    return v;
}
// end shared: pcg4d

// 1 / sqrt(2)
const HALF_ROOT: f32 = 0.70710678;

// A lane's values, each `distance` from the one before.
alias Held = array<f32, 8>;

// Combines those of the first `held` that are `step` apart.
fn combine(values: ptr<function, Held>, held: u32, step: u32) {
    for (var j = 0u; j < 8u; j++) {
        if (j & step) == 0u && j + step < held {
            let sum = (*values)[j] + (*values)[j + step];
            (*values)[j + step] = ((*values)[j] - (*values)[j + step]) * HALF_ROOT;
            (*values)[j] = sum * HALF_ROOT;
        }
    }
}

fn signed(value: f32, line: u32, place: u32) -> f32 {
    let key = vec2(keys[2u * line], keys[2u * line + 1u]);
    let bits = pcg4d(vec4(rotation.column + place, rotation.signs, key.x, key.y)).x;
    return select(value, -value, bits >> 31u == 1u);
}

// A lane takes a block's values that are up to seven of the smallest distance from its first one, so that three
// distances take one pass over the memory.
@compute @workgroup_size(64, 1, 1)
fn hadamard_rotate(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let line = id.y;
    let blocks = (rotation.width - rotation.first + rotation.block - 1u) / rotation.block;
    for (var i = id.x; i < blocks * rotation.lanes; i += groups.x * 64u) {
        let start = rotation.first + i / rotation.lanes * rotation.block;
        let length = min(rotation.block, rotation.width - start);
        let lane = i % rotation.lanes;
        let low = lane / rotation.distance * 8u * rotation.distance + lane % rotation.distance;
        if low >= length { continue; }
        let held = min(8u, (length - low + rotation.distance - 1u) / rotation.distance);
        let is_signed = rotation.signs < 2u;
        var values: Held;
        for (var j = 0u; j < 8u; j++) {
            if j >= held { continue; }
            let place = start + low + j * rotation.distance;
            let value = rotated[line * rotation.width + place];
            if is_signed && rotation.back == 0u {
                values[j] = signed(value, line, place);
            } else {
                values[j] = value;
            }
        }
        if rotation.back == 0u {
            combine(&values, held, 4u);
            combine(&values, held, 2u);
            combine(&values, held, 1u);
        } else {
            combine(&values, held, 1u);
            combine(&values, held, 2u);
            combine(&values, held, 4u);
        }
        for (var j = 0u; j < 8u; j++) {
            if j >= held { continue; }
            let place = start + low + j * rotation.distance;
            if is_signed && rotation.back == 1u {
                rotated[line * rotation.width + place] = signed(values[j], line, place);
            } else {
                rotated[line * rotation.width + place] = values[j];
            }
        }
    }
}
