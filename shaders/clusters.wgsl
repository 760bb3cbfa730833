// Clusters of values on a line, for many lines: Lloyd's iterations from centroids that are given, in ascending order.
//
// On a line a cluster is what lies between two middles: above the one to the centroid before, and not above the one to
// the centroid behind, so that of two that are as near the lower one is taken. A lane sums, for eight centroids, how far
// its values lie from them, and counts these; then the means are added to the centroids. Sums of distances lose less to
// rounding than sums of values, and a centroid of equal values stays where it is.

// Lanes of a workgroup: eight for a CPU, a subgroup for a GPU.
const LANES: u32 = 8u;

// Bins of a line: values whose upper 16 bits are the same.
const BINS: u32 = 65536u;

struct Part {
    // Values of a line in this shard; the first of those that are looked at, and how many they are.
    width: u32,
    first: u32,
    length: u32,
    // Lanes that share them.
    lanes: u32,
}
var<immediate> part: Part;

// [lines, width], as bits.
@group(0) @binding(0) var<storage, read> words: array<u32>;
// [lines, BINS, 2]: how many values are in a bin, and the sum of their next eight bits.
@group(0) @binding(1) var<storage, read_write> bins: array<atomic<u32>>;

// Bins are in the order of their values. Of whole numbers, sums do not depend on the order in which lanes come.
@compute @workgroup_size(LANES, 1, 1)
fn clusters_tally(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= part.lanes { return; }
    let line = id.y;
    for (var i = id.x; i < part.length; i += part.lanes) {
        let word = words[line * part.width + part.first + i];
        let order = select(word | 0x80000000u, ~word, (word >> 31u) == 1u);
        let at = (line * BINS + (order >> 16u)) * 2u;
        atomicAdd(&bins[at], 1u);
        atomicAdd(&bins[at + 1u], (word >> 8u) & 0xffu);
    }
}

struct Share {
    width: u32,
    first: u32,
    length: u32,
    lanes: u32,
    // Lanes of the shards before, and of all of them.
    first_lane: u32,
    all_lanes: u32,
    // Centroids that a line has at most.
    most: u32,
}
var<immediate> share: Share;

// [lines, most]
@group(0) @binding(2) var<storage, read_write> centroids: array<f32>;
// [lines]: how many of them a line has.
@group(0) @binding(3) var<storage, read> clusters: array<u32>;
// [lines, all_lanes, most]: of a lane's values, how far they lie above their centroid, and how many they are.
@group(0) @binding(4) var<storage, read_write> sums: array<f32>;
@group(0) @binding(5) var<storage, read_write> counts: array<u32>;

// Values are so small that two of them have a sum: halves first would not help, as drivers may take the factor out.
fn middles(lower: vec4<f32>, upper: vec4<f32>) -> vec4<f32> {
    return (lower + upper) * 0.5;
}

// Which of four clusters hold a value. The first one has no lower bound, and the last one no upper bound.
fn held(value: f32, low: vec4<f32>, high: vec4<f32>, is_first: vec4<u32>, is_last: vec4<u32>) -> vec4<u32> {
    let above = max(select(vec4(0u), vec4(1u), vec4(value) > low), is_first);
    let below = max(select(vec4(0u), vec4(1u), vec4(value) <= high), is_last);
    return above * below;
}

fn write_share(at: u32, left: u32, sum: vec4<f32>, count: vec4<u32>) {
    if left > 0u { sums[at] = sum.x; counts[at] = count.x; }
    if left > 1u { sums[at + 1u] = sum.y; counts[at + 1u] = count.y; }
    if left > 2u { sums[at + 2u] = sum.z; counts[at + 2u] = count.z; }
    if left > 3u { sums[at + 3u] = sum.w; counts[at + 3u] = count.w; }
}

@compute @workgroup_size(LANES, 1, 1)
fn clusters_sum(@builtin(global_invocation_id) id: vec3<u32>) {
    let line = id.y;
    let known = clusters[line];
    let number = id.z * 8u;
    if id.x >= share.lanes || number >= known { return; }
    let last = known - 1u;
    let row = line * share.most;
    // Behind the last centroid it is read again, and nothing is written.
    let near = row + min(vec4(number) + vec4(0u, 1u, 2u, 3u), vec4(last));
    let far = row + min(vec4(number) + vec4(4u, 5u, 6u, 7u), vec4(last));
    let a = vec4(centroids[near.x], centroids[near.y], centroids[near.z], centroids[near.w]);
    let b = vec4(centroids[far.x], centroids[far.y], centroids[far.z], centroids[far.w]);
    let before = centroids[row + max(number, 1u) - 1u];
    let behind = centroids[row + min(number + 8u, last)];
    let a_low = middles(vec4(before, a.xyz), a);
    let a_high = middles(a, vec4(a.yzw, b.x));
    let b_low = middles(vec4(a.w, b.xyz), b);
    let b_high = middles(b, vec4(b.yzw, behind));
    let a_first = vec4(select(0u, 1u, number == 0u), 0u, 0u, 0u);
    let b_first = vec4(0u);
    let a_last = select(vec4(0u), vec4(1u), near >= vec4(row + last));
    let b_last = select(vec4(0u), vec4(1u), far >= vec4(row + last));
    var a_sum = vec4(0.0);
    var b_sum = vec4(0.0);
    var a_count = vec4(0u);
    var b_count = vec4(0u);
    for (var i = id.x; i < share.length; i += share.lanes) {
        let value = bitcast<f32>(words[line * share.width + share.first + i]);
        let a_held = held(value, a_low, a_high, a_first, a_last);
        let b_held = held(value, b_low, b_high, b_first, b_last);
        a_sum += select(vec4(0.0), vec4(value) - a, a_held > vec4(0u));
        b_sum += select(vec4(0.0), vec4(value) - b, b_held > vec4(0u));
        a_count += a_held;
        b_count += b_held;
    }
    let at = (line * share.all_lanes + share.first_lane + id.x) * share.most + number;
    write_share(at, known - number, a_sum, a_count);
    write_share(at + 4u, max(known - number, 4u) - 4u, b_sum, b_count);
}

struct Update {
    lines: u32,
    all_lanes: u32,
    most: u32,
}
var<immediate> update: Update;

// A centroid that no value is nearest to stays, and so they stay in order.
@compute @workgroup_size(LANES, 1, 1)
fn clusters_update(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= update.lines * update.most { return; }
    let line = id.x / update.most;
    let place = id.x % update.most;
    if place >= clusters[line] { return; }
    var sum = 0.0;
    var count = 0u;
    for (var lane = 0u; lane < update.all_lanes; lane++) {
        let at = (line * update.all_lanes + lane) * update.most + place;
        sum += sums[at];
        count += counts[at];
    }
    if count > 0u {
        centroids[id.x] += sum / f32(count);
    }
}

struct Label {
    width: u32,
    first: u32,
    length: u32,
    lanes: u32,
    most: u32,
}
var<immediate> label: Label;

// [lines, ceil(length / 4)]: the number of each value's centroid, four to a word, the first in the lowest bits.
@group(0) @binding(6) var<storage, read_write> numbers: array<u32>;

@compute @workgroup_size(LANES, 1, 1)
fn clusters_label(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= label.lanes { return; }
    let line = id.y;
    let row = line * label.most;
    let each = (label.length + 3u) / 4u;
    for (var word = id.x; word < each; word += label.lanes) {
        var packed = 0u;
        for (var i = 0u; i < 4u; i++) {
            let place = word * 4u + i;
            if place < label.length {
                let value = bitcast<f32>(words[line * label.width + label.first + place]);
                // The number of middles that lie below it.
                var low = 0u;
                var high = clusters[line] - 1u;
                while low < high {
                    let at = (low + high) / 2u;
                    if (centroids[row + at] + centroids[row + at + 1u]) * 0.5 < value {
                        low = at + 1u;
                    } else {
                        high = at;
                    }
                }
                packed |= low << (8u * i);
            }
        }
        numbers[line * each + word] = packed;
    }
}
