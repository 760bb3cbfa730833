// The k values of the largest magnitude of each of many lines, and their places in order.
//
// A magnitude is the word of a value without its sign: as integers these are in the order of magnitudes, infinities
// above all numbers and what is no number above those, and no adapter changes a bit of them. The k-th largest is
// found four bits at a time. A pass counts how many magnitudes are as large as each of 16 candidates; the largest
// candidate that k or more are as large as has the right four bits. Then pieces of a line are counted, and write what
// they have of the chosen behind those of the pieces before. Of equal magnitudes the first count as larger.

// Lanes of a workgroup: eight for a CPU, a subgroup for a GPU.
const LANES: u32 = 8u;

// begin shared: passes
// Passes of four bits.
const PASSES: u32 = 8u;
// Words of a line's state: what is known of its threshold before each pass and behind the last one, and how many of
// those that are equal to it are chosen.
const STATE: u32 = 10u;
// end shared: passes

struct Count {
    // Values of a line in this shard, and how many are wanted of the whole line.
    width: u32,
    wanted: u32,
    // Which four bits, from the highest on.
    pass_number: u32,
    // Lanes that share a line.
    lanes: u32,
}
var<immediate> count: Count;

// [lines, width], as bits.
@group(0) @binding(0) var<storage, read> words: array<u32>;
// [lines, PASSES, 16]
@group(0) @binding(1) var<storage, read_write> tallies: array<atomic<u32>>;
// [lines, STATE]
@group(0) @binding(2) var<storage, read_write> states: array<u32>;

fn magnitude(word: u32) -> u32 {
    return word & 0x7fffffffu;
}

// begin shared: counting
// What is known of a line's threshold before a pass: its highest bits, and zeros.
fn known(line: u32, pass_number: u32, wanted: u32) -> u32 {
    if pass_number == 0u { return 0u; }
    let before = pass_number - 1u;
    let low = states[line * STATE + before];
    let shift = 28u - 4u * before;
    var candidate = 15u;
    while candidate > 0u && atomicLoad(&tallies[(line * PASSES + before) * 16u + candidate]) < wanted {
        candidate -= 1u;
    }
    return low + (candidate << shift);
}

fn reached(magnitudes: vec4<u32>, candidates: vec4<u32>) -> vec4<u32> {
    return select(vec4(0u), vec4(1u), magnitudes >= candidates);
}

fn add(at: u32, sums: vec4<u32>) {
    atomicAdd(&tallies[at], sums.x);
    atomicAdd(&tallies[at + 1u], sums.y);
    atomicAdd(&tallies[at + 2u], sums.z);
    atomicAdd(&tallies[at + 3u], sums.w);
}
// end shared: counting

// tallies[line, pass, j] += how many magnitudes of the line are at least the j-th candidate. A lane keeps its sums in
// registers and adds them once: 16 atomics for 512 values or more, where tallies of digits are one for each value.
@compute @workgroup_size(LANES, 1, 1)
fn largest_count(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= count.lanes { return; }
    let line = id.y;
    let low = known(line, count.pass_number, count.wanted);
    if id.x == 0u && count.pass_number > 0u {
        states[line * STATE + count.pass_number] = low;
    }
    let shift = 28u - 4u * count.pass_number;
    let first = vec4(low) + (vec4(0u, 1u, 2u, 3u) << vec4(shift));
    let second = first + vec4(4u << shift);
    let third = first + vec4(8u << shift);
    let fourth = first + vec4(12u << shift);
    var first_sum = vec4(0u);
    var second_sum = vec4(0u);
    var third_sum = vec4(0u);
    var fourth_sum = vec4(0u);
    for (var i = id.x; i < count.width; i += count.lanes) {
        let own = vec4(magnitude(words[line * count.width + i]));
        first_sum += reached(own, first);
        second_sum += reached(own, second);
        third_sum += reached(own, third);
        fourth_sum += reached(own, fourth);
    }
    let at = (line * PASSES + count.pass_number) * 16u;
    add(at, first_sum);
    add(at + 4u, second_sum);
    add(at + 8u, third_sum);
    add(at + 12u, fourth_sum);
}

struct Pieces {
    width: u32,
    wanted: u32,
    // Values of a piece, pieces of this shard, those before it, and all of them.
    length: u32,
    pieces: u32,
    first_piece: u32,
    all_pieces: u32,
    // The first value of this shard in the line.
    first: u32,
}
var<immediate> pieces: Pieces;

// [lines, all_pieces]: values above the threshold and values at it, of a piece, and then of all pieces before.
@group(0) @binding(3) var<storage, read_write> shares: array<vec2<u32>>;

@compute @workgroup_size(LANES, 1, 1)
fn largest_tally(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= pieces.pieces { return; }
    let line = id.y;
    let threshold = known(line, PASSES, pieces.wanted);
    if id.x == 0u {
        states[line * STATE + PASSES] = threshold;
    }
    var above = 0u;
    var at = 0u;
    let start = id.x * pieces.length;
    let end = min(start + pieces.length, pieces.width);
    for (var i = start; i < end; i++) {
        let own = magnitude(words[line * pieces.width + i]);
        above += select(0u, 1u, own > threshold);
        at += select(0u, 1u, own == threshold);
    }
    shares[line * pieces.all_pieces + pieces.first_piece + id.x] = vec2(above, at);
}

struct Offset {
    lines: u32,
    wanted: u32,
    all_pieces: u32,
}
var<immediate> offset: Offset;

@compute @workgroup_size(LANES, 1, 1)
fn largest_offset(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= offset.lines { return; }
    var sum = vec2(0u);
    for (var i = 0u; i < offset.all_pieces; i++) {
        let at = id.x * offset.all_pieces + i;
        let own = shares[at];
        shares[at] = sum;
        sum += own;
    }
    states[id.x * STATE + PASSES + 1u] = offset.wanted - sum.x;
}

// [lines, wanted]
@group(0) @binding(4) var<storage, read_write> places: array<u32>;
@group(0) @binding(5) var<storage, read_write> chosen: array<u32>;

@compute @workgroup_size(LANES, 1, 1)
fn largest_gather(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= pieces.pieces { return; }
    let line = id.y;
    let threshold = states[line * STATE + PASSES];
    let equal = states[line * STATE + PASSES + 1u];
    let before = shares[line * pieces.all_pieces + pieces.first_piece + id.x];
    let taken = min(before.y, equal);
    var left = equal - taken;
    var at = line * pieces.wanted + before.x + taken;
    let start = id.x * pieces.length;
    let end = min(start + pieces.length, pieces.width);
    for (var i = start; i < end; i++) {
        let word = words[line * pieces.width + i];
        let own = magnitude(word);
        let ties = own == threshold && left > 0u;
        if own > threshold || ties {
            places[at] = pieces.first + i;
            chosen[at] = word;
            at += 1u;
            left -= select(0u, 1u, ties);
        }
    }
}
