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
