// Coordinates of lines of values in seeded random directions, and values from coordinates.
//
// Each value belongs to one direction, with a random sign. Values are dealt to `floats` directions in runs of as many,
// each run to all of them, from a direction on that is drawn for the run. Lanes draw that from counters where they need
// it, so that no table is read.

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

// Lines of the draws.
const SIGNS: u32 = 0u;
const RUNS: u32 = 1u;

// The first bit is set where the sign of a value is minus.
const SIGN_BIT: u32 = 0x80000000u;

struct Project {
    // Values of a line in this shard, and before it.
    columns: u32,
    first_column: u32,
    floats: u32,
    // Lanes that share the values of a direction.
    lanes: u32,
    // Runs that have values in this shard.
    first_run: u32,
    end_run: u32,
    key_x: u32,
    key_y: u32,
    // 1: add to what is there.
    accumulate: u32,
}
var<immediate> project: Project;

// [R, columns]
@group(0) @binding(0) var<storage, read> lines: array<f32>;
// [R, lanes, floats]
@group(0) @binding(1) var<storage, read_write> partial_sums: array<f32>;

// partial_sums[r, lane, j] = sum over the lane's runs of the value of direction j, with its sign. Lanes take runs by
// their numbers, so that sums have one order wherever lines are cut, and neighbours in the grid take directions of one
// run, so that they read neighbours in memory.
@compute @workgroup_size(64, 1, 1)
fn subspace_project(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let key = vec2(project.key_x, project.key_y);
    let count = project.lanes * project.floats;
    for (var i = id.x; i < count; i += groups.x * 64u) {
        let lane = i / project.floats;
        let direction = i - lane * project.floats;
        let at = id.y * count + i;
        var sum = 0.0;
        if project.accumulate == 1u { sum = partial_sums[at]; }
        let behind_first = (lane + project.lanes - project.first_run % project.lanes) % project.lanes;
        for (var run = project.first_run + behind_first; run < project.end_run; run += project.lanes) {
            let start = pcg4d(vec4(run, RUNS, key)).x % project.floats;
            let behind = select(direction + project.floats, direction, direction >= start) - start;
            let place = run * project.floats + behind;
            // What lies before the shard wraps around to a number that is behind it.
            let column = place - project.first_column;
            if column < project.columns {
                let value = lines[id.y * project.columns + column];
                let is_minus = (pcg4d(vec4(place, SIGNS, key)).x & SIGN_BIT) != 0u;
                sum += select(value, -value, is_minus);
            }
        }
        partial_sums[at] = sum;
    }
}

struct Total {
    floats: u32,
    lanes: u32,
}
var<immediate> total: Total;

// [R, lanes, floats]
@group(0) @binding(0) var<storage, read> parts: array<f32>;
// [R, floats]
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;

// sums[r, j] = sum over lanes of parts[r, lane, j]
@compute @workgroup_size(64, 1, 1)
fn subspace_total(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    for (var i = id.x; i < total.floats; i += groups.x * 64u) {
        var sum = 0.0;
        for (var lane = 0u; lane < total.lanes; lane++) {
            sum += parts[(id.y * total.lanes + lane) * total.floats + i];
        }
        sums[id.y * total.floats + i] = sum;
    }
}

struct Spread {
    // Values of a line in this shard, and before it.
    columns: u32,
    first_column: u32,
    floats: u32,
    key_x: u32,
    key_y: u32,
}
var<immediate> spread: Spread;

// Floats by their bits: signs are flipped on all devices alike, whatever these do with numbers that are tiny or none.
// [R, floats]
@group(0) @binding(0) var<storage, read> shares: array<u32>;
// [R, columns]
@group(0) @binding(1) var<storage, read_write> spread_lines: array<u32>;

// spread_lines[r, i] = the share of the direction of value i, with the sign of the value
@compute @workgroup_size(64, 1, 1)
fn subspace_spread(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let key = vec2(spread.key_x, spread.key_y);
    for (var i = id.x; i < spread.columns; i += groups.x * 64u) {
        let place = spread.first_column + i;
        let run = place / spread.floats;
        let start = pcg4d(vec4(run, RUNS, key)).x % spread.floats;
        let direction = (start + place - run * spread.floats) % spread.floats;
        let sign = pcg4d(vec4(place, SIGNS, key)).x & SIGN_BIT;
        spread_lines[id.y * spread.columns + i] = shares[id.y * spread.floats + direction] ^ sign;
    }
}
