// Steps along random signs of a classifier of two dense layers on images, in two dispatches, for adapters whose subgroups
// have eight lanes or more. What it computes is what directions.wgsl and mlp.wgsl compute one after the other, with the same
// bits of weights for the same slopes.
//
// Faster: the weights that are tried are never in memory. The pass forward reads the weights that a step goes from, and
// their signs in the direction from a word for 32 of them, and tries both sides at once, so that images and weights are
// read once and not twice; the step reads and writes the weights alone.

// begin shared: nothing, from gather.wgsl
// The number of a place of a batch that is left empty.
const NOTHING: u32 = 0xffffffffu;
// end shared: nothing

// begin shared: activations, from dense.wgsl
// What follows a layer's sums, by number.
const ACTIVATION_RELU: u32 = 1u;
const ACTIVATION_TANH: u32 = 2u;
const ACTIVATION_SIGMOID: u32 = 3u;
// end shared: activations

// begin shared: activate, from dense.wgsl
fn activate(x: f32, activation: u32) -> f32 {
    switch activation {
        case ACTIVATION_RELU: { return max(x, 0.0); }
        // Some drivers' tanh overflows for large arguments; beyond 15 it is 1 in f32 anyway.
        case ACTIVATION_TANH: { return tanh(clamp(x, -15.0, 15.0)); }
        case ACTIVATION_SIGMOID: { return 1.0 / (1.0 + exp(-x)); }
        default: { return x; }
    }
}
// end shared: activate

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

// begin shared: random bits, from directions.wgsl
// Random bits of which each is as good as any other. The low bits of pcg4d alone are not: over 20,000 directions in a row
// some of them are up to 30 standard errors from what chance has.
fn random_bits(place: vec4<u32>) -> vec4<u32> {
    var v = pcg4d(place);
    v ^= v >> vec4(16u);
    v *= vec4(0x7feb352du);
    return v ^ (v >> vec4(15u));
}
// end shared: random bits

// 1: slopes become those that a byte can say.
const BYTE: u32 = 0u;

// begin shared: blocks, from directions.wgsl
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

// begin shared: byte value, from directions.wgsl
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

// ---------------------------------------------------------------------------------------------------
// The step

struct Walk {
    // Weights of a replica, and from one replica to the next one.
    count: u32,
    stride: u32,
    // Blocks, in whole turns: as many as words of signs.
    end_block: u32,
    batch: u32,
    // As in directions.wgsl.
    lines: u32,
    step: u32,
    slots: u32,
    rate: f32,
    unit: f32,
}
var<immediate> walk: Walk;

// [R, lines] of a direction's key and number, and the bits of 1 / (2 reach samples): 0 where the replica rests.
@group(0) @binding(0) var<storage, read> draws: array<vec4<u32>>;
// [R, B]: losses ahead less those behind.
@group(0) @binding(1) var<storage, read> differences: array<f32>;
// [R, stride]
@group(0) @binding(2) var<storage, read_write> base4: array<vec4<f32>>;
// [R, blocks]: signs of the next direction, those of 32 neighbours in a word.
@group(0) @binding(3) var<storage, read_write> put_signs: array<u32>;
// [R, slots]: sums of slopes along each direction.
@group(0) @binding(4) var<storage, read_write> record: array<f32>;

// What the weights of a replica go by along their last direction: the slope of the loss there times the rate. The first
// lane records the slope.
fn last_factor(replica: u32, last: vec4<u32>, lane: u32) -> f32 {
    if last.w == 0u { return 0.0; }
    var sum = 0.0;
    for (var b = replica * walk.batch; b < (replica + 1u) * walk.batch; b++) {
        sum += differences[b];
    }
    var slope = sum * bitcast<f32>(last.w);
    if BYTE == 1u { slope = walk.unit * byte_value(slope / walk.unit); }
    if lane == 0u && last.z < walk.slots { record[replica * walk.slots + last.z] += slope; }
    return walk.rate * slope;
}

// Four bits of a word for each lane, those of the lane's number, where they belong among those of eight words.
fn four_bits(word: u32, lane: u32, place: u32) -> u32 {
    return ((word >> (4u * lane)) & 15u) << (4u * place);
}

// The words of eight lanes, whose bits are those of eight quads 64 apart, as words of eight quads in a row: the first
// lane's are those that came first in all.
fn turned(word: u32, lane: u32) -> u32 {
    return four_bits(subgroupBroadcast(word, 0u), lane, 0u) | four_bits(subgroupBroadcast(word, 1u), lane, 1u)
        | four_bits(subgroupBroadcast(word, 2u), lane, 2u) | four_bits(subgroupBroadcast(word, 3u), lane, 3u)
        | four_bits(subgroupBroadcast(word, 4u), lane, 4u) | four_bits(subgroupBroadcast(word, 5u), lane, 5u)
        | four_bits(subgroupBroadcast(word, 6u), lane, 6u) | four_bits(subgroupBroadcast(word, 7u), lane, 7u);
}

// Finishes the step before, and begins this one: weights go along the last direction by the slope of the loss there, and
// the signs of the next one are written.
@compute @workgroup_size(8, 1, 1)
fn mlp_probe_walk(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let replica = group.y;
    let line = replica * walk.lines + walk.step;
    let last = draws[line];
    let next = draws[line + 1u];
    if last.w == 0u && next.w == 0u { return; }
    let factor = bitcast<u32>(last_factor(replica, last, group.x * 8u + lane));
    // The lanes of a workgroup go together, since blocks come in whole turns.
    for (var first = group.x * 8u; first < walk.end_block; first += groups.x * 8u) {
        let block = first + lane;
        let taken = words(block, last.z, last.xy)[last.z % 4u];
        let tried = words(block, next.z, next.xy)[next.z % 4u];
        let run = block / TURN * TURN + 8u * lane + block % TURN / 8u;
        put_signs[replica * walk.end_block + run] = turned(tried, lane);
        for (var k = 0u; k < QUADS; k++) {
            let quad = first_quad(block) + k * TURN;
            if 4u * quad >= walk.count { continue; }
            let at = replica * (walk.stride / 4u) + quad;
            let w = base4[at];
            let turns = (vec4(taken) << (vec4(31u, 30u, 29u, 28u) - 4u * k)) & vec4(0x80000000u);
            let to = w + bitcast<vec4<f32>>(vec4(factor) ^ turns);
            base4[at] = select(w, to, of_stretch(4u * quad, walk.count));
        }
    }
}

// ---------------------------------------------------------------------------------------------------
// Forward on both sides

struct BothSides {
    // As in mlp.wgsl.
    batch: u32,
    steps: u32,
    step: u32,
    width: u32,
    channel_width: u32,
    hidden: u32,
    outputs: u32,
    hidden_weights: u32,
    hidden_bias: u32,
    output_weights: u32,
    output_bias: u32,
    replica_stride: u32,
    activation: u32,
    // Words of signs of a replica.
    words: u32,
    // How far ahead and behind weights are tried.
    reach: f32,
}
var<immediate> mlp: BothSides;

// [R, steps, B] sample numbers
@group(0) @binding(0) var<storage, read> index: array<u32>;
@group(0) @binding(1) var<storage, read> bytes: array<u32>;
// For each channel: factor and summand.
@group(0) @binding(2) var<storage, read> scales: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> signs: array<u32>;
@group(0) @binding(4) var<storage, read> parameters: array<f32>;
@group(0) @binding(5) var<storage, read> labels: array<u32>;
@group(0) @binding(6) var<storage, read_write> differing: array<f32>;
// [R, B, 2]: sums over steps of the loss ahead and of the number of right answers there.
@group(0) @binding(7) var<storage, read_write> tallies: array<f32>;

// begin shared: samples, from mlp.wgsl
// The sample at a place of the batch; NOTHING beyond it.
fn sample_of(replica: u32, place: u32) -> u32 {
    let at = (replica * mlp.steps + mlp.step) * mlp.batch + min(place, mlp.batch - 1u);
    return select(NOTHING, index[at], place < mlp.batch);
}

fn pixels(word: u32, scale: vec2<f32>) -> vec4<f32> {
    return vec4<f32>((vec4(word) >> vec4(0u, 8u, 16u, 24u)) & vec4(0xffu)) * scale.x + scale.y;
}
// end shared: samples

// begin shared: ten rows, from mlp.wgsl
// Values of ten hidden rows or of ten outputs. They stay in registers where places are constant.
alias Ten = array<f32, 10>;

// The weights of a row that the first four lanes hold, and those that the others do.
fn low_four(w: f32) -> vec4<f32> {
    return vec4(
        subgroupBroadcast(w, 0u), subgroupBroadcast(w, 1u), subgroupBroadcast(w, 2u), subgroupBroadcast(w, 3u),
    );
}

fn high_four(w: f32) -> vec4<f32> {
    return vec4(
        subgroupBroadcast(w, 4u), subgroupBroadcast(w, 5u), subgroupBroadcast(w, 6u), subgroupBroadcast(w, 7u),
    );
}

// Where the lane's weight of a pair of rows begins: four columns of each lie in eight lanes.
fn pair_at(row: u32, lane: u32, base: u32) -> u32 {
    return base + min(row + lane / 4u, mlp.hidden - 1u) * mlp.width + lane % 4u;
}

// Ten values that lie in eight lanes, and the last two in the first two.
fn ten_of(eight: f32, two: f32) -> Ten {
    let low = low_four(eight);
    let high = high_four(eight);
    return Ten(
        low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w,
        subgroupBroadcast(two, 0u), subgroupBroadcast(two, 1u),
    );
}

// A lane's weights of five pairs of rows.
struct Pairs {
    p0: f32,
    p1: f32,
    p2: f32,
    p3: f32,
    p4: f32,
}

// Adds what four columns of two samples add to the sums of ten rows.
fn add_rows(upper: ptr<function, Ten>, lower: ptr<function, Ten>, own: Pairs, a: vec4<f32>, b: vec4<f32>) {
    let r0 = low_four(own.p0);
    let r1 = high_four(own.p0);
    let r2 = low_four(own.p1);
    let r3 = high_four(own.p1);
    let r4 = low_four(own.p2);
    let r5 = high_four(own.p2);
    let r6 = low_four(own.p3);
    let r7 = high_four(own.p3);
    let r8 = low_four(own.p4);
    let r9 = high_four(own.p4);
    (*upper)[0] += dot(r0, a);
    (*upper)[1] += dot(r1, a);
    (*upper)[2] += dot(r2, a);
    (*upper)[3] += dot(r3, a);
    (*upper)[4] += dot(r4, a);
    (*upper)[5] += dot(r5, a);
    (*upper)[6] += dot(r6, a);
    (*upper)[7] += dot(r7, a);
    (*upper)[8] += dot(r8, a);
    (*upper)[9] += dot(r9, a);
    (*lower)[0] += dot(r0, b);
    (*lower)[1] += dot(r1, b);
    (*lower)[2] += dot(r2, b);
    (*lower)[3] += dot(r3, b);
    (*lower)[4] += dot(r4, b);
    (*lower)[5] += dot(r5, b);
    (*lower)[6] += dot(r6, b);
    (*lower)[7] += dot(r7, b);
    (*lower)[8] += dot(r8, b);
    (*lower)[9] += dot(r9, b);
}

fn dot_ten(a: Ten, b: Ten) -> f32 {
    return dot(vec4(a[0], a[1], a[2], a[3]), vec4(b[0], b[1], b[2], b[3]))
        + dot(vec4(a[4], a[5], a[6], a[7]), vec4(b[4], b[5], b[6], b[7]))
        + a[8] * b[8] + a[9] * b[9];
}

// Sums of ten rows to hidden values, 0 where there are fewer.
fn hidden_values(sums: ptr<function, Ten>, bias: Ten, count: u32) {
    for (var i = 0u; i < 10u; i++) {
        (*sums)[i] = select(0.0, activate((*sums)[i] + bias[i], mlp.activation), i < count);
    }
}

// What the outputs of a sample come to.
struct Answer {
    loss: f32,
    right: f32,
    label: u32,
    // The sum of the exponentials.
    total: f32,
}

// The loss of a sample's outputs, which become their exponentials.
fn answer_of(logits: ptr<function, Ten>, sample: u32) -> Answer {
    // The answer is the first largest output.
    var largest = (*logits)[0];
    var answer = 0u;
    for (var o = 1u; o < 10u; o++) {
        if o < mlp.outputs && (*logits)[o] > largest {
            largest = (*logits)[o];
            answer = o;
        }
    }
    let known = select(sample, 0u, sample == NOTHING);
    let label = (labels[known / 4u] >> (8u * (known % 4u))) & 0xffu;
    var total = 0.0;
    var right = 0.0;
    for (var o = 0u; o < 10u; o++) {
        if o == label { right = (*logits)[o]; }
        (*logits)[o] = select(0.0, exp((*logits)[o] - largest), o < mlp.outputs);
        total += (*logits)[o];
    }
    return Answer(log(total) + largest - right, select(0.0, 1.0, answer == label), label, total);
}
// end shared: ten rows

// The word with a parameter's sign, turned so that the sign of the first weight of a quad and of its lane is the last bit.
fn signs_at(at: u32, replica: u32) -> u32 {
    return signs[replica * mlp.words + at / 32u] >> (at % 32u);
}

// How far ahead a weight is tried, whose sign is the last bit of a word.
fn push(word: u32) -> f32 {
    return bitcast<f32>(bitcast<u32>(mlp.reach) ^ (word << 31u));
}

// Ten parameters ahead and behind.
struct Both {
    ahead: Ten,
    behind: Ten,
}

// Ten parameters for all lanes from `at` on; there are `count`, and what lies beyond is any.
fn ten_tried(at: u32, count: u32, lane: u32, replica: u32) -> Both {
    let eight_at = at + min(lane, count - 1u);
    let two_at = at + min(8u + lane % 2u, count - 1u);
    let base = replica * mlp.replica_stride;
    let eight = parameters[base + eight_at];
    let two = parameters[base + two_at];
    let eight_push = push(signs_at(eight_at, replica));
    let two_push = push(signs_at(two_at, replica));
    return Both(ten_of(eight + eight_push, two + two_push), ten_of(eight - eight_push, two - two_push));
}

// Counts the losses of a sample on both sides.
fn count_both(ahead: ptr<function, Ten>, behind: ptr<function, Ten>, replica: u32, place: u32, sample: u32) {
    if place >= mlp.batch { return; }
    let there = sample != NOTHING;
    let before = answer_of(ahead, sample);
    let after = answer_of(behind, sample);
    let at = replica * mlp.batch + place;
    differing[at] = select(0.0, before.loss - after.loss, there);
    if there {
        tallies[2u * at] += before.loss;
        tallies[2u * at + 1u] += before.right;
    }
}

// Lanes run over pairs of samples. x: those, z: replicas. Channels are multiples of 16 pixels wide, and the first layer's
// weights begin where 16 weights do, so that one word has the signs of a lane's weights at four quads in a row.
@compute @workgroup_size(8, 1, 1)
fn mlp_probe_pass(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let replica = group.z;
    let place = id.x * 2u;
    let upper_sample = sample_of(replica, place);
    let lower_sample = sample_of(replica, place + 1u);
    // Where there is no sample, any other will do.
    let upper_at = select(upper_sample, 0u, upper_sample == NOTHING) * (mlp.width / 4u);
    let lower_at = select(lower_sample, 0u, lower_sample == NOTHING) * (mlp.width / 4u);
    let base = replica * mlp.replica_stride;
    let output_bias = ten_tried(mlp.output_bias, mlp.outputs, lane, replica);
    var upper_ahead = output_bias.ahead;
    var lower_ahead = output_bias.ahead;
    var upper_behind = output_bias.behind;
    var lower_behind = output_bias.behind;
    for (var first = 0u; first < mlp.hidden; first += 10u) {
        let w0 = pair_at(first, lane, mlp.hidden_weights);
        let w1 = pair_at(first + 2u, lane, mlp.hidden_weights);
        let w2 = pair_at(first + 4u, lane, mlp.hidden_weights);
        let w3 = pair_at(first + 6u, lane, mlp.hidden_weights);
        let w4 = pair_at(first + 8u, lane, mlp.hidden_weights);
        var upper_up: Ten;
        var lower_up: Ten;
        var upper_down: Ten;
        var lower_down: Ten;
        var at = 0u;
        for (var channel = 0u; at < mlp.width / 4u; channel++) {
            let scale = scales[channel];
            for (var i = 0u; i < mlp.channel_width / 16u; i++) {
                var s0 = signs_at(w0 + at * 4u, replica);
                var s1 = signs_at(w1 + at * 4u, replica);
                var s2 = signs_at(w2 + at * 4u, replica);
                var s3 = signs_at(w3 + at * 4u, replica);
                var s4 = signs_at(w4 + at * 4u, replica);
                for (var k = 0u; k < 4u; k++) {
                    let a = pixels(bytes[upper_at + at], scale);
                    let b = pixels(bytes[lower_at + at], scale);
                    let p0 = parameters[base + w0 + at * 4u];
                    let p1 = parameters[base + w1 + at * 4u];
                    let p2 = parameters[base + w2 + at * 4u];
                    let p3 = parameters[base + w3 + at * 4u];
                    let p4 = parameters[base + w4 + at * 4u];
                    let e0 = push(s0);
                    let e1 = push(s1);
                    let e2 = push(s2);
                    let e3 = push(s3);
                    let e4 = push(s4);
                    let ahead = Pairs(p0 + e0, p1 + e1, p2 + e2, p3 + e3, p4 + e4);
                    add_rows(&upper_up, &lower_up, ahead, a, b);
                    let behind = Pairs(p0 - e0, p1 - e1, p2 - e2, p3 - e3, p4 - e4);
                    add_rows(&upper_down, &lower_down, behind, a, b);
                    s0 >>= 4u;
                    s1 >>= 4u;
                    s2 >>= 4u;
                    s3 >>= 4u;
                    s4 >>= 4u;
                    at += 1u;
                }
            }
        }
        let count = mlp.hidden - first;
        let bias = ten_tried(mlp.hidden_bias + first, count, lane, replica);
        hidden_values(&upper_up, bias.ahead, count);
        hidden_values(&lower_up, bias.ahead, count);
        hidden_values(&upper_down, bias.behind, count);
        hidden_values(&lower_down, bias.behind, count);
        for (var o = 0u; o < 10u; o++) {
            let row_at = mlp.output_weights + min(o, mlp.outputs - 1u) * mlp.hidden + first;
            let row = ten_tried(row_at, count, lane, replica);
            upper_ahead[o] += dot_ten(row.ahead, upper_up);
            lower_ahead[o] += dot_ten(row.ahead, lower_up);
            upper_behind[o] += dot_ten(row.behind, upper_down);
            lower_behind[o] += dot_ten(row.behind, lower_down);
        }
    }
    count_both(&upper_ahead, &upper_behind, replica, place, upper_sample);
    count_both(&lower_ahead, &lower_behind, replica, place + 1u, lower_sample);
}
