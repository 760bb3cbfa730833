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
    // Lanes for a block, as a power of two.
    lanes_power: u32,
    // The smallest of the three distances of this dispatch, which are a factor of two apart, as a power of two.
    distance_power: u32,
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

// Combines the first of four values with the third and the second with the fourth, where both of a pair are there.
fn combine_halves(v: vec4<f32>, are_pairs: vec2<bool>) -> vec4<f32> {
    let sums = (v.xy + v.zw) * HALF_ROOT;
    let differences = (v.xy - v.zw) * HALF_ROOT;
    return vec4(select(v.xy, sums, are_pairs), select(v.zw, differences, are_pairs));
}

// The first with the second, and the third with the fourth.
fn combine_neighbours(v: vec4<f32>, are_pairs: vec2<bool>) -> vec4<f32> {
    let sums = select(v.xz, (v.xz + v.yw) * HALF_ROOT, are_pairs);
    let differences = select(v.yw, (v.xz - v.yw) * HALF_ROOT, are_pairs);
    return vec4(sums.x, differences.x, sums.y, differences.y);
}

// The signs of the values at four places.
fn signs_at(line: u32, places: vec4<u32>) -> vec4<f32> {
    let key = vec2(keys[2u * line], keys[2u * line + 1u]);
    let columns = places + rotation.column;
    let bits = vec4(
        pcg4d(vec4(columns.x, rotation.signs, key)).x,
        pcg4d(vec4(columns.y, rotation.signs, key)).x,
        pcg4d(vec4(columns.z, rotation.signs, key)).x,
        pcg4d(vec4(columns.w, rotation.signs, key)).x,
    );
    return select(vec4(1.0), vec4(-1.0), bits >> vec4(31u) == vec4(1u));
}

// A lane takes a block's values that are up to seven of the smallest distance from its first one, so that three
// distances take one pass over the memory. Eight values by name and shifts where an array and divisions would do as well:
// 33 ms in place of 115 for 550,570 values on a CPU.
@compute @workgroup_size(64, 1, 1)
fn hadamard_rotate(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let line = id.y;
    let first = line * rotation.width;
    let blocks = (rotation.width - rotation.first + rotation.block - 1u) / rotation.block;
    let distance = 1u << rotation.distance_power;
    let is_signed = rotation.signs < 2u;
    for (var i = id.x; i < blocks << rotation.lanes_power; i += groups.x * 64u) {
        let start = rotation.first + (i >> rotation.lanes_power) * rotation.block;
        let length = min(rotation.block, rotation.width - start);
        let lane = i & ((1u << rotation.lanes_power) - 1u);
        let low = ((lane >> rotation.distance_power) << (rotation.distance_power + 3u))
            + (lane & (distance - 1u));
        if low >= length { continue; }
        let held = min(8u, (length - low + distance - 1u) >> rotation.distance_power);
        // Where there is none, the lane's first value is read again, and nothing is written.
        let near = start + low + vec4(0u, 1u, 2u, 3u) * distance;
        let far = near + 4u * distance;
        let n = first + select(vec4(start + low), near, vec4(0u, 1u, 2u, 3u) < vec4(held));
        let f = first + select(vec4(start + low), far, vec4(4u, 5u, 6u, 7u) < vec4(held));
        var a = vec4(rotated[n.x], rotated[n.y], rotated[n.z], rotated[n.w]);
        var b = vec4(rotated[f.x], rotated[f.y], rotated[f.z], rotated[f.w]);
        let fours = vec4(4u, 5u, 6u, 7u) < vec4(held);
        let a_twos = vec2(2u, 3u) < vec2(held);
        let b_twos = vec2(6u, 7u) < vec2(held);
        let a_ones = vec2(1u, 3u) < vec2(held);
        let b_ones = vec2(5u, 7u) < vec2(held);
        if rotation.back == 0u {
            if is_signed {
                a *= signs_at(line, near);
                b *= signs_at(line, far);
            }
            let sums = (a + b) * HALF_ROOT;
            let differences = (a - b) * HALF_ROOT;
            a = combine_neighbours(combine_halves(select(a, sums, fours), a_twos), a_ones);
            b = combine_neighbours(combine_halves(select(b, differences, fours), b_twos), b_ones);
        } else {
            a = combine_halves(combine_neighbours(a, a_ones), a_twos);
            b = combine_halves(combine_neighbours(b, b_ones), b_twos);
            let sums = (a + b) * HALF_ROOT;
            let differences = (a - b) * HALF_ROOT;
            a = select(a, sums, fours);
            b = select(b, differences, fours);
            if is_signed {
                a *= signs_at(line, near);
                b *= signs_at(line, far);
            }
        }
        rotated[n.x] = a.x;
        if held > 1u { rotated[n.y] = a.y; }
        if held > 2u { rotated[n.z] = a.z; }
        if held > 3u { rotated[n.w] = a.w; }
        if held > 4u { rotated[f.x] = b.x; }
        if held > 5u { rotated[f.y] = b.y; }
        if held > 6u { rotated[f.z] = b.z; }
        if held > 7u { rotated[f.w] = b.w; }
    }
}
