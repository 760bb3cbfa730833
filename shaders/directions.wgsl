// Weights moved along random directions, for training without gradients: a step tries weights a little ahead and a little
// behind along a direction, and goes along it by what the loss differs; and a list of numbers, one for each direction, is
// replayed to weights.
//
// A direction is drawn from counters: the place of a weight in `state_dict` order, the direction's number and a key. So no
// cut, layout or replica changes it, and it is the same on every device: it is made of integers, and its products with a
// factor are exact, fused or not.

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

// begin shared: random bits
// Random bits of which each is as good as any other. The low bits of pcg4d alone are not: over 20,000 directions in a row
// some of them are up to 30 standard errors from what chance has.
fn random_bits(place: vec4<u32>) -> vec4<u32> {
    var v = pcg4d(place);
    v ^= v >> vec4(16u);
    v *= vec4(0x7feb352du);
    return v ^ (v >> vec4(15u));
}
// end shared: random bits

// 1: values are bits set among 32 less the 16 that are due, over their deviation of sqrt(8): nearly normal. 0: signs, of
// which one hash has those of 32 weights of four directions.
const NORMAL: u32 = 0u;
// 1: slopes become those that a byte can say.
const BYTE: u32 = 0u;

const SIGN_BIT: u32 = 0x80000000u;

// begin shared: blocks
// A block is eight quads, 64 quads apart, so that neighbouring lanes take neighbouring quads. 64 blocks lie in turn.
const QUADS: u32 = 8u;
const TURN: u32 = 64u;

fn first_quad(block: u32) -> u32 {
    return block / TURN * (TURN * QUADS) + block % TURN;
}

// The signs of four directions in a row at the weights of a block, a bit each.
fn words(block: u32, number: u32, key: vec2<u32>) -> vec4<u32> {
    return random_bits(vec4(block, number / 4u, key));
}

// Which of the four weights from `place` on are of a stretch of `count`.
fn of_stretch(place: u32, count: u32) -> vec4<bool> {
    return vec4(place) + vec4(0u, 1u, 2u, 3u) < vec4(count);
}
// end shared: blocks

// A factor as it is multiplied with values: with the nearly normal ones, whole numbers up to 16, the 20 leading bits of
// what stands before them, so that products have no more bits than an f32.
fn prepared(factor: f32) -> f32 {
    if NORMAL == 0u { return factor; }
    let bits = bitcast<u32>(factor * 0.35355338);
    return bitcast<f32>((bits + 8u) & 0xfffffff0u);
}

// The factor along the direction at quad `k` of a block, quad `quad` of all. `word` has the signs of the block.
fn along(factor: f32, word: u32, k: u32, quad: u32, number: u32, key: vec2<u32>) -> vec4<f32> {
    if NORMAL == 1u {
        let ones = countOneBits(random_bits(vec4(quad, number, key)));
        return factor * vec4<f32>(vec4<i32>(ones) - 16);
    }
    let signs = (vec4(word) << (vec4(31u, 30u, 29u, 28u) - 4u * k)) & vec4(SIGN_BIT);
    return bitcast<vec4<f32>>(vec4(bitcast<u32>(factor)) ^ signs);
}

// begin shared: byte value
// The value of E4M3 that is nearest, of two as near the even one.
fn byte_value(x: f32) -> f32 {
    let size = min(abs(x), 448.0);
    var nearest = round(size * 512.0) / 512.0;
    if size >= 0.015625 {
        let bits = bitcast<u32>(size);
        nearest = bitcast<f32>((bits + 0x7ffffu + ((bits >> 20u) & 1u)) & 0xfff00000u);
    }
    return select(nearest, -nearest, x < 0.0);
}
// end shared: byte value

struct Step {
    // A stretch of neighbours: the place of the first weight in `state_dict` order, and among those of a replica here;
    // how many; and from one replica to the next one.
    first: u32,
    offset: u32,
    count: u32,
    stride: u32,
    // Blocks that have weights of the stretch.
    first_block: u32,
    end_block: u32,
    batch: u32,
    // Lines of draws of a replica: one for each step, one before them and one behind them.
    lines: u32,
    step: u32,
    // Slopes of a replica in the record; 0 where another stretch adds to it.
    slots: u32,
    // How far ahead and behind weights are tried, and what a slope is multiplied by for the step.
    reach: f32,
    rate: f32,
    // What a slope of 1 is for a byte.
    unit: f32,
}
var<immediate> probe: Step;

// [R, lines] of a direction's key and number, and the bits of 1 / (2 reach samples): 0 where the replica rests.
@group(0) @binding(0) var<storage, read> draws: array<vec4<u32>>;
// [R, B]: losses ahead.
@group(0) @binding(1) var<storage, read> ahead_losses: array<f32>;
// [R, B, 2]: losses behind, and right answers.
@group(0) @binding(2) var<storage, read> losses_behind: array<f32>;
// [R, stride]: the weights that steps go from.
@group(0) @binding(3) var<storage, read_write> base: array<f32>;
// [R, stride]: the weights that are tried.
@group(0) @binding(4) var<storage, read_write> tried: array<f32>;
// [R, slots]: sums of slopes along each direction.
@group(0) @binding(5) var<storage, read_write> record: array<f32>;

// What the base of a replica goes by along its last direction: the slope of the loss there times the rate. The first lane
// records the slope.
fn factor_of_last(replica: u32, last: vec4<u32>, lane: u32) -> f32 {
    if last.w == 0u { return 0.0; }
    var sum = 0.0;
    for (var b = replica * probe.batch; b < (replica + 1u) * probe.batch; b++) {
        sum += ahead_losses[b] - losses_behind[2u * b];
    }
    var slope = sum * bitcast<f32>(last.w);
    if BYTE == 1u { slope = probe.unit * byte_value(slope / probe.unit); }
    if lane == 0u && last.z < probe.slots { record[replica * probe.slots + last.z] += slope; }
    return prepared(probe.rate * slope);
}

// Finishes the step before, and begins this one: the base goes along the last direction by the slope of the loss there,
// and the weights tried are ahead of it along the next direction.
@compute @workgroup_size(64, 1, 1)
fn directions_step(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let line = id.y * probe.lines + probe.step;
    let last = draws[line];
    let next = draws[line + 1u];
    if last.w == 0u && next.w == 0u { return; }
    let factor = factor_of_last(id.y, last, id.x);
    let ahead = prepared(select(probe.reach, 0.0, next.w == 0u));
    for (var block = probe.first_block + id.x; block < probe.end_block; block += groups.x * 64u) {
        let last_word = words(block, last.z, last.xy)[last.z % 4u];
        let next_word = words(block, next.z, next.xy)[next.z % 4u];
        for (var k = 0u; k < QUADS; k++) {
            let quad = first_quad(block) + k * TURN;
            let taken = along(factor, last_word, k, quad, last.z, last.xy);
            let tries = along(ahead, next_word, k, quad, next.z, next.xy);
            // What lies before the stretch wraps around to a number that is behind it.
            let place = 4u * quad - probe.first;
            let at = id.y * probe.stride + probe.offset + place;
            for (var i = 0u; i < 4u; i++) {
                if place + i < probe.count {
                    let w = base[at + i] + taken[i];
                    base[at + i] = w;
                    tried[at + i] = w + tries[i];
                }
            }
        }
    }
}

@group(0) @binding(3) var<storage, read_write> base4: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> tried4: array<vec4<f32>>;

// The same for stretches whose quads are those of memory.
@compute @workgroup_size(64, 1, 1)
fn directions_step_quads(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let line = id.y * probe.lines + probe.step;
    let last = draws[line];
    let next = draws[line + 1u];
    if last.w == 0u && next.w == 0u { return; }
    let factor = factor_of_last(id.y, last, id.x);
    let ahead = prepared(select(probe.reach, 0.0, next.w == 0u));
    let start = (id.y * probe.stride + probe.offset) / 4u;
    for (var block = probe.first_block + id.x; block < probe.end_block; block += groups.x * 64u) {
        let last_word = words(block, last.z, last.xy)[last.z % 4u];
        let next_word = words(block, next.z, next.xy)[next.z % 4u];
        for (var k = 0u; k < QUADS; k++) {
            let quad = first_quad(block) + k * TURN;
            let place = 4u * quad - probe.first;
            if place >= probe.count { continue; }
            let at = start + place / 4u;
            let w = base4[at];
            let to = w + along(factor, last_word, k, quad, last.z, last.xy);
            let t = to + along(ahead, next_word, k, quad, next.z, next.xy);
            if probe.count - place >= 4u {
                base4[at] = to;
                tried4[at] = t;
            } else {
                let own = of_stretch(place, probe.count);
                base4[at] = select(w, to, own);
                tried4[at] = select(tried4[at], t, own);
            }
        }
    }
}

struct Turn {
    // As in a step.
    first: u32,
    offset: u32,
    count: u32,
    stride: u32,
    first_block: u32,
    end_block: u32,
    batch: u32,
    lines: u32,
    step: u32,
    // 1: losses are put aside too, which one stretch does for all.
    losses: u32,
    reach: f32,
}
var<immediate> turn: Turn;

@group(0) @binding(1) var<storage, read> kept_base: array<f32>;
// [R, B, 2]: losses of the pass ahead, and right answers.
@group(0) @binding(2) var<storage, read_write> tallies_ahead: array<f32>;
@group(0) @binding(3) var<storage, read_write> tallies_behind: array<f32>;
@group(0) @binding(5) var<storage, read_write> put_aside: array<f32>;
// [R, B, 2]: sums over steps of what passes ahead gave.
@group(0) @binding(6) var<storage, read_write> totals: array<f32>;

// Puts the losses of the pass ahead of a replica aside.
fn put_losses_aside(replica: u32, lane: u32, lanes: u32) {
    for (var b = lane; b < turn.batch * turn.losses; b += lanes) {
        let at = replica * turn.batch + b;
        let loss = tallies_ahead[2u * at];
        put_aside[at] = loss;
        totals[2u * at] += loss;
        totals[2u * at + 1u] += tallies_ahead[2u * at + 1u];
        tallies_ahead[2u * at] = 0.0;
        tallies_ahead[2u * at + 1u] = 0.0;
        tallies_behind[2u * at] = 0.0;
        tallies_behind[2u * at + 1u] = 0.0;
    }
}

// Between the two passes of a step: weights go from ahead of the base to as far behind it, and the losses of the pass
// ahead are put aside.
@compute @workgroup_size(64, 1, 1)
fn directions_turn(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let now = draws[id.y * turn.lines + turn.step + 1u];
    if now.w == 0u { return; }
    put_losses_aside(id.y, id.x, groups.x * 64u);
    let behind = prepared(-turn.reach);
    for (var block = turn.first_block + id.x; block < turn.end_block; block += groups.x * 64u) {
        let word = words(block, now.z, now.xy)[now.z % 4u];
        for (var k = 0u; k < QUADS; k++) {
            let quad = first_quad(block) + k * TURN;
            let tries = along(behind, word, k, quad, now.z, now.xy);
            let place = 4u * quad - turn.first;
            let at = id.y * turn.stride + turn.offset + place;
            for (var i = 0u; i < 4u; i++) {
                if place + i < turn.count { tried[at + i] = kept_base[at + i] + tries[i]; }
            }
        }
    }
}

@group(0) @binding(1) var<storage, read> kept_base4: array<vec4<f32>>;

// The same for stretches whose quads are those of memory.
@compute @workgroup_size(64, 1, 1)
fn directions_turn_quads(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let now = draws[id.y * turn.lines + turn.step + 1u];
    if now.w == 0u { return; }
    put_losses_aside(id.y, id.x, groups.x * 64u);
    let behind = prepared(-turn.reach);
    let start = (id.y * turn.stride + turn.offset) / 4u;
    for (var block = turn.first_block + id.x; block < turn.end_block; block += groups.x * 64u) {
        let word = words(block, now.z, now.xy)[now.z % 4u];
        for (var k = 0u; k < QUADS; k++) {
            let quad = first_quad(block) + k * TURN;
            let place = 4u * quad - turn.first;
            if place >= turn.count { continue; }
            let at = start + place / 4u;
            let t = kept_base4[at] + along(behind, word, k, quad, now.z, now.xy);
            if turn.count - place >= 4u {
                tried4[at] = t;
            } else {
                tried4[at] = select(tried4[at], t, of_stretch(place, turn.count));
            }
        }
    }
}

struct Replay {
    first: u32,
    offset: u32,
    count: u32,
    stride: u32,
    first_block: u32,
    end_block: u32,
    // Of a replica: families of directions with a key each, and fours of directions of a family.
    families: u32,
    fours: u32,
    // Those that are replayed.
    first_family: u32,
    end_family: u32,
    first_four: u32,
    end_four: u32,
}
var<immediate> replay: Replay;

// [families]
@group(0) @binding(0) var<storage, read> keys: array<vec2<u32>>;
// [R, families, fours]
@group(0) @binding(1) var<storage, read> factors: array<vec4<f32>>;
// [R, stride]
@group(0) @binding(2) var<storage, read_write> weights: array<f32>;

// weights[r] += sum over all directions of factor * direction, one after the other, so that the bits are those of the
// steps one by one. A lane keeps the weights of a block meanwhile, so that they are read and written once.
@compute @workgroup_size(64, 1, 1)
fn directions_replay(@builtin(global_invocation_id) id: vec3<u32>) {
    let block = replay.first_block + id.x;
    if block >= replay.end_block { return; }
    let quad = first_quad(block);
    let start = id.y * replay.stride + replay.offset;
    var w: array<vec4<f32>, QUADS>;
    for (var k = 0u; k < QUADS; k++) {
        let place = 4u * (quad + k * TURN) - replay.first;
        if place < replay.count { w[k].x = weights[start + place]; }
        if place + 1u < replay.count { w[k].y = weights[start + place + 1u]; }
        if place + 2u < replay.count { w[k].z = weights[start + place + 2u]; }
        if place + 3u < replay.count { w[k].w = weights[start + place + 3u]; }
    }
    for (var family = replay.first_family; family < replay.end_family; family++) {
        let key = keys[family];
        for (var four = replay.first_four; four < replay.end_four; four++) {
            let given = factors[(id.y * replay.families + family) * replay.fours + four];
            // Most directions of a round may have been drawn by nobody.
            if all(given == vec4(0.0)) { continue; }
            let four_words = words(block, 4u * four, key);
            let x = prepared(given.x);
            let y = prepared(given.y);
            let z = prepared(given.z);
            let last = prepared(given.w);
            for (var k = 0u; k < QUADS; k++) {
                let own = quad + k * TURN;
                w[k] += along(x, four_words.x, k, own, 4u * four, key);
                w[k] += along(y, four_words.y, k, own, 4u * four + 1u, key);
                w[k] += along(z, four_words.z, k, own, 4u * four + 2u, key);
                w[k] += along(last, four_words.w, k, own, 4u * four + 3u, key);
            }
        }
    }
    for (var k = 0u; k < QUADS; k++) {
        let place = 4u * (quad + k * TURN) - replay.first;
        if place < replay.count { weights[start + place] = w[k].x; }
        if place + 1u < replay.count { weights[start + place + 1u] = w[k].y; }
        if place + 2u < replay.count { weights[start + place + 2u] = w[k].z; }
        if place + 3u < replay.count { weights[start + place + 3u] = w[k].w; }
    }
}
