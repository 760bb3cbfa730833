// Training of masks over frozen weights: scores say which of them a network has, and the gradients of its weights go
// back to the scores as if choosing had been their probability, or the scores themselves (straight through).

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

// What a score decides: 0, the probability of its weight; 1, whether it is kept; 2, its sign.
const KIND: u32 = 0u;
const BERNOULLI: u32 = 0u;
const SIGN: u32 = 2u;

struct Draw {
    // Weights of a replica with its padding, in fours.
    quads: u32,
    // Samples of a step.
    batch: u32,
    seed: u32,
    step: u32,
}
var<immediate> draw: Draw;

// [quads]: the place of each parameter in the model's own order.
@group(0) @binding(0) var<storage, read> numbers: array<vec4<u32>>;
// [quads]: 0 where there is no parameter.
@group(0) @binding(1) var<storage, read> frozen: array<vec4<f32>>;
// [R, quads]
@group(0) @binding(2) var<storage, read> scores: array<vec4<f32>>;
// Place in the epoch of the first sample of step 0, the number of the epoch, and for each replica the number of
// the collaborator whose data it trains on.
@group(0) @binding(3) var<storage, read> epoch: array<u32>;
// [R, quads]
@group(0) @binding(4) var<storage, read_write> effective: array<vec4<f32>>;

fn probability(score: vec4<f32>) -> vec4<f32> {
    return 1.0 / (1.0 + exp(-score));
}

// 24 random bits in [0, 1): they depend on the parameter and on what the key was made of, on no place in memory.
fn uniform_at(number: u32, key: vec3<u32>) -> f32 {
    return f32(pcg4d(vec4(number, key)).x >> 8u) / 16777216.0;
}

// effective[r, i] = frozen[i] with the probability sigmoid(scores[r, i]), 0 otherwise
@compute @workgroup_size(64, 1, 1)
fn masks_draw(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let place = epoch[0] + draw.step * draw.batch;
    let key = pcg4d(vec4(place, epoch[2u + id.y], epoch[1], draw.seed)).xyz;
    for (var i = id.x; i < draw.quads; i += groups.x * 64u) {
        let at = id.y * draw.quads + i;
        let number = numbers[i];
        let drawn = vec4(
            uniform_at(number.x, key), uniform_at(number.y, key), uniform_at(number.z, key),
            uniform_at(number.w, key),
        );
        effective[at] = select(vec4<f32>(), frozen[i], drawn < probability(scores[at]));
    }
}

struct Keep {
    quads: u32,
    // Thresholds of a replica.
    tensors: u32,
}
var<immediate> keep: Keep;

// [quads]: the tensor that each parameter is of.
@group(0) @binding(3) var<storage, read> tensors: array<vec4<u32>>;
// [R, tensors]
@group(0) @binding(0) var<storage, read> thresholds: array<f32>;

// effective[r, i] = frozen[i] where scores[r, i] is thresholds[r, tensors[i]] or more, 0 otherwise
@compute @workgroup_size(64, 1, 1)
fn masks_keep(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let first = id.y * keep.tensors;
    for (var i = id.x; i < keep.quads; i += groups.x * 64u) {
        let at = id.y * keep.quads + i;
        let tensor = first + tensors[i];
        let least = vec4(thresholds[tensor.x], thresholds[tensor.y], thresholds[tensor.z], thresholds[tensor.w]);
        effective[at] = select(vec4<f32>(), frozen[i], scores[at] >= least);
    }
}

// ---------------------------------------------------------------------------------------------------
// Thresholds that follow the scores

// As in largest.wgsl, four bits at a time, but by the scores themselves: a line is a tensor of a replica, and only its
// threshold is wanted.
// begin shared: passes, from largest.wgsl
// Passes of four bits.
const PASSES: u32 = 8u;
// Words of a line's state: what is known of its threshold before each pass and behind the last one, and how many of
// those that are equal to it are chosen.
const STATE: u32 = 10u;
// end shared: passes

struct Tally {
    // Weights of a replica with its padding.
    stride: u32,
    // Tensors of the model.
    tensors: u32,
    // Which four bits, from the highest on.
    pass_number: u32,
    // Lanes that share a part of a tensor.
    lanes: u32,
    // Samples of a step, and of how many steps of an epoch the first one finds thresholds anew.
    batch: u32,
    every: u32,
    step: u32,
}
var<immediate> tally: Tally;

// Parts of tensors that lie here: where they begin, how long they are, the tensor, and how many of all of it are kept.
@group(0) @binding(0) var<storage, read> parts: array<vec4<u32>>;
// [R, stride], as bits.
@group(0) @binding(2) var<storage, read> score_words: array<u32>;
// [R, tensors, PASSES, 16]
@group(0) @binding(4) var<storage, read_write> tallies: array<atomic<u32>>;
// [R, tensors, STATE]
@group(0) @binding(5) var<storage, read_write> states: array<u32>;

// begin shared: counting, from largest.wgsl
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

// A whole number in whose order scores are, that of f32::total_cmp, and the way back.
fn order_of(word: u32) -> u32 {
    return word ^ select(0x80000000u, 0xffffffffu, word >= 0x80000000u);
}

fn word_of(order: u32) -> u32 {
    return order ^ select(0xffffffffu, 0x80000000u, order >= 0x80000000u);
}

// Whether thresholds are found anew before a step.
fn is_due(step: u32, batch: u32, every: u32) -> bool {
    return (epoch[0] / batch + step) % every == 0u;
}

// x: lanes, y: replicas, z: parts.
@compute @workgroup_size(64, 1, 1)
fn masks_tally(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= tally.lanes || !is_due(tally.step, tally.batch, tally.every) { return; }
    let part = parts[id.z];
    let line = id.y * tally.tensors + part.z;
    let low = known(line, tally.pass_number, part.w);
    if id.x == 0u && tally.pass_number > 0u {
        states[line * STATE + tally.pass_number] = low;
    }
    let shift = 28u - 4u * tally.pass_number;
    let first = vec4(low) + (vec4(0u, 1u, 2u, 3u) << vec4(shift));
    let second = first + vec4(4u << shift);
    let third = first + vec4(8u << shift);
    let fourth = first + vec4(12u << shift);
    var first_sum = vec4(0u);
    var second_sum = vec4(0u);
    var third_sum = vec4(0u);
    var fourth_sum = vec4(0u);
    for (var i = id.x; i < part.y; i += tally.lanes) {
        let own = vec4(order_of(score_words[id.y * tally.stride + part.x + i]));
        first_sum += reached(own, first);
        second_sum += reached(own, second);
        third_sum += reached(own, third);
        fourth_sum += reached(own, fourth);
    }
    let at = (line * PASSES + tally.pass_number) * 16u;
    add(at, first_sum);
    add(at + 4u, second_sum);
    add(at + 8u, third_sum);
    add(at + 12u, fourth_sum);
}

struct Settle {
    lines: u32,
    tensors: u32,
    // As above.
    batch: u32,
    every: u32,
    step: u32,
}
var<immediate> settle: Settle;

// [tensors]: how many are kept.
@group(0) @binding(0) var<storage, read> wanted: array<u32>;
// [R, tensors]
@group(0) @binding(1) var<storage, read_write> settled: array<f32>;

// Behind the last pass: thresholds, and tallies of zero for the next time.
@compute @workgroup_size(64, 1, 1)
fn masks_settle(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= settle.lines || !is_due(settle.step, settle.batch, settle.every) { return; }
    settled[id.x] = bitcast<f32>(word_of(known(id.x, PASSES, wanted[id.x % settle.tensors])));
    for (var i = 0u; i < PASSES * 16u; i++) {
        atomicStore(&tallies[id.x * PASSES * 16u + i], 0u);
    }
}

// ---------------------------------------------------------------------------------------------------
// Signs, and steps

struct Signs {
    quads: u32,
}
var<immediate> signs: Signs;

// effective[r, i] = abs(frozen[i]) with the sign of scores[r, i], that of zero being positive
@compute @workgroup_size(64, 1, 1)
fn masks_sign(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    for (var i = id.x; i < signs.quads; i += groups.x * 64u) {
        let at = id.y * signs.quads + i;
        let size = abs(frozen[i]);
        effective[at] = select(size, -size, scores[at] < vec4<f32>());
    }
}

struct ScoreStep {
    quads: u32,
    // The schedule, as in dense_update.wgsl.
    steps: u32,
    step: u32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    weight_decay: f32,
    decoupled: u32,
}
var<immediate> score_step: ScoreStep;

// [R, quads]: gradients of the effective weights.
@group(0) @binding(0) var<storage, read> slopes: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> schedule: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> moved: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> first_moments: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> second_moments: array<vec4<f32>>;

// begin shared: optimizer, from optimizer.wgsl
// What an optimiser step needs beside the gradient. `now` is a line of the schedule: (1 / samples,
// rate / (1 - beta1^t), 1 / sqrt(1 - beta2^t), rate).
struct Settings {
    // The layer's own factor on the rate.
    rate_scale: f32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    weight_decay: f32,
    // 1: decay the weights themselves (AdamW); 0: add the decay to the gradient.
    decoupled: u32,
}

// The weights and moments after a step.
struct Stepped {
    w: vec4<f32>,
    m: vec4<f32>,
    v: vec4<f32>,
}

// torch.optim.Adam and AdamW: epsilon is added after the bias correction of the root.
fn adam(w: vec4<f32>, m: vec4<f32>, v: vec4<f32>, gradient: vec4<f32>, now: vec4<f32>, by: Settings) -> Stepped {
    let decay = select(1.0, 1.0 - now.w * by.rate_scale * by.weight_decay, by.decoupled == 1u);
    let g = gradient + select(by.weight_decay, 0.0, by.decoupled == 1u) * w;
    let next_m = by.beta1 * m + (1.0 - by.beta1) * g;
    let next_v = by.beta2 * v + (1.0 - by.beta2) * g * g;
    let next_w = w * decay - now.y * by.rate_scale * next_m / (sqrt(next_v) * now.z + by.epsilon);
    return Stepped(next_w, next_m, next_v);
}

// torch.optim.SGD with momentum beta1 and no dampening. Without momentum any moments will do, and are not cleared.
fn sgd(w: vec4<f32>, m: vec4<f32>, gradient: vec4<f32>, now: vec4<f32>, by: Settings) -> Stepped {
    let kept = select(by.beta1 * m, vec4<f32>(), by.beta1 == 0.0);
    let next_m = kept + gradient + by.weight_decay * w;
    return Stepped(w - now.w * by.rate_scale * next_m, next_m, vec4<f32>());
}
// end shared: optimizer

fn score_settings() -> Settings {
    return Settings(
        1.0, score_step.beta1, score_step.beta2, score_step.epsilon, score_step.weight_decay,
        score_step.decoupled,
    );
}

// The gradient of scores from that of the effective weights.
fn score_gradient(slope: vec4<f32>, own: vec4<f32>, score: vec4<f32>) -> vec4<f32> {
    let p = probability(score);
    var factor = own;
    if KIND == BERNOULLI { factor = own * p * (1.0 - p); }
    if KIND == SIGN { factor = abs(own); }
    return slope * factor;
}

@compute @workgroup_size(64, 1, 1)
fn masks_adam(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let now = schedule[id.y * score_step.steps + score_step.step];
    if now.x == 0.0 { return; }
    for (var i = id.x; i < score_step.quads; i += groups.x * 64u) {
        let at = id.y * score_step.quads + i;
        let score = moved[at];
        let gradient = score_gradient(slopes[at], frozen[i], score);
        let next = adam(score, first_moments[at], second_moments[at], gradient, now, score_settings());
        first_moments[at] = next.m;
        second_moments[at] = next.v;
        moved[at] = next.w;
    }
}

@compute @workgroup_size(64, 1, 1)
fn masks_sgd(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let now = schedule[id.y * score_step.steps + score_step.step];
    if now.x == 0.0 { return; }
    for (var i = id.x; i < score_step.quads; i += groups.x * 64u) {
        let at = id.y * score_step.quads + i;
        let score = moved[at];
        let gradient = score_gradient(slopes[at], frozen[i], score);
        let next = sgd(score, first_moments[at], gradient, now, score_settings());
        first_moments[at] = next.m;
        moved[at] = next.w;
    }
}
