// Training of a code through its decoder: the weights of a classifier are `base + D(code) - D(start)`, and the gradient
// of the weights goes back through D to the code. Where D is linear it is a basis of few vectors, each laid out as the
// classifier's parameters are; where it has hidden layers its own kernels make the values that are spread and collected
// here.

// Lanes of a workgroup: eight for a CPU, a subgroup for a GPU.
const LANES: u32 = 8u;

// begin shared: activations, from dense.wgsl
// What follows a layer's sums, by number.
const ACTIVATION_RELU: u32 = 1u;
const ACTIVATION_TANH: u32 = 2u;
const ACTIVATION_SIGMOID: u32 = 3u;
// end shared: activations

// begin shared: derivative, from dense.wgsl
// The activation's derivative, from its output.
fn derivative(y: f32, activation: u32) -> f32 {
    switch activation {
        case ACTIVATION_RELU: { return select(0.0, 1.0, y > 0.0); }
        case ACTIVATION_TANH: { return 1.0 - y * y; }
        case ACTIVATION_SIGMOID: { return y * (1.0 - y); }
        default: { return 1.0; }
    }
}
// end shared: derivative

struct Decode {
    // Elements of a replica's parameters, in groups of four.
    stride4: u32,
    // Vectors of this part of the basis, a multiple of four; the first of them in groups of four; and values of a code in
    // groups of four.
    vectors: u32,
    first4: u32,
    floats4: u32,
    // From one replica's vectors to the next one's, in groups of four: 0 where all have the same.
    basis_stride4: u32,
    // 1: add to what is there, 0: to the base.
    accumulate: u32,
}
var<immediate> decode: Decode;

// [R, stride4]
@group(0) @binding(0) var<storage, read> base4: array<vec4<f32>>;
// [R, vectors, stride4], or without R
@group(0) @binding(1) var<storage, read> basis4: array<vec4<f32>>;
// [R, floats4]: by how much codes differ from where they started.
@group(0) @binding(2) var<storage, read> shifts4: array<vec4<f32>>;
// [R, stride4]
@group(0) @binding(3) var<storage, read_write> decoded4: array<vec4<f32>>;

// decoded[r, i] = base[r, i] + sum over k of basis[r, k, i] shifts[r, k]. A lane makes several, so that a workgroup is worth
// its start.
@compute @workgroup_size(LANES, 1, 1)
fn code_decode(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    for (var i = id.x; i < decode.stride4; i += groups.x * LANES) {
        let at = id.y * decode.stride4 + i;
        var sum: vec4<f32>;
        if decode.accumulate == 1u { sum = decoded4[at]; } else { sum = base4[at]; }
        var vector = id.y * decode.basis_stride4 + i;
        for (var k4 = 0u; k4 < decode.vectors / 4u; k4++) {
            let shift = shifts4[id.y * decode.floats4 + decode.first4 + k4];
            sum += shift.x * basis4[vector];
            sum += shift.y * basis4[vector + decode.stride4];
            sum += shift.z * basis4[vector + 2u * decode.stride4];
            sum += shift.w * basis4[vector + 3u * decode.stride4];
            vector += 4u * decode.stride4;
        }
        decoded4[at] = sum;
    }
}

struct Gradient {
    stride4: u32,
    // The first of these vectors in the code.
    first: u32,
    // Elements from one replica's partial sums to the next one's, and from one value's to the next one's.
    replica_stride: u32,
    value_stride: u32,
    // Where the partial sums of these parameters begin, and how many there are: lanes that share the parameters.
    first_lane: u32,
    lanes: u32,
    basis_stride4: u32,
}
var<immediate> gradient: Gradient;

// [R, stride4]: gradients of the parameters.
@group(0) @binding(0) var<storage, read> slopes4: array<vec4<f32>>;
// [R, floats, lanes of all parameters]
@group(0) @binding(2) var<storage, read_write> partial_sums: array<f32>;

// partial_sums[r, k, lane] = sum over the lane's i of basis[r, k, i] slopes[r, i]. Faster: a lane takes four vectors for
// each gradient that it loads.
@compute @workgroup_size(LANES, 1, 1)
fn code_gradient(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= gradient.lanes { return; }
    let first = id.z * gradient.basis_stride4 + id.y * 4u * gradient.stride4;
    var sums: array<vec4<f32>, 4>;
    for (var i = id.x; i < gradient.stride4; i += gradient.lanes) {
        let slope = slopes4[id.z * gradient.stride4 + i];
        let vector = first + i;
        sums[0] += slope * basis4[vector];
        sums[1] += slope * basis4[vector + gradient.stride4];
        sums[2] += slope * basis4[vector + 2u * gradient.stride4];
        sums[3] += slope * basis4[vector + 3u * gradient.stride4];
    }
    let value = gradient.first + id.y * 4u;
    let at = id.z * gradient.replica_stride + value * gradient.value_stride + gradient.first_lane + id.x;
    partial_sums[at] = dot(sums[0], vec4(1.0));
    partial_sums[at + gradient.value_stride] = dot(sums[1], vec4(1.0));
    partial_sums[at + 2u * gradient.value_stride] = dot(sums[2], vec4(1.0));
    partial_sums[at + 3u * gradient.value_stride] = dot(sums[3], vec4(1.0));
}

struct CodeStep {
    // Z, and the elements that it takes.
    floats: u32,
    stride: u32,
    // Partial sums of a replica, and of a value.
    replica_stride: u32,
    value_stride: u32,
    // The schedule, as in dense_update.wgsl.
    steps: u32,
    step: u32,
    // 1: codes cross the wire at half precision, 2: as the upper halves of f32.
    halves: u32,
    // What the schedule's rate is multiplied by.
    rate: f32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    weight_decay: f32,
    decoupled: u32,
}
var<immediate> code_step: CodeStep;

@group(0) @binding(0) var<storage, read> summed: array<f32>;
@group(0) @binding(1) var<storage, read> schedule: array<vec4<f32>>;
// [R, stride]: what codes started from, as it arrives; or zeros where decoders take codes as they arrive.
@group(0) @binding(2) var<storage, read> starts: array<f32>;
@group(0) @binding(3) var<storage, read_write> codes: array<f32>;
@group(0) @binding(4) var<storage, read_write> shifts: array<f32>;
@group(0) @binding(5) var<storage, read_write> first_moments: array<f32>;
@group(0) @binding(6) var<storage, read_write> second_moments: array<f32>;

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

// The nearest value of half precision; of two that are as near, the even one. The largest is not exceeded.
fn nearest_f16(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let normal = bitcast<f32>((bits + 0xfffu + ((bits >> 13u) & 1u)) & 0xffffe000u);
    // Below 2^-14 the values lie 2^-24 apart.
    let small = round(x * 16777216.0) / 16777216.0;
    return select(clamp(normal, -65504.0, 65504.0), small, abs(x) < 0.00006103515625);
}

// The nearest value of the upper half of f32, in the same way.
fn nearest_bf16(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let size = ((bits & 0x7fffffffu) + 0x7fffu + ((bits >> 16u) & 1u)) & 0xffff0000u;
    return bitcast<f32>((bits & 0x80000000u) | min(size, 0x7f7f0000u));
}

fn code_settings() -> Settings {
    return Settings(
        code_step.rate, code_step.beta1, code_step.beta2, code_step.epsilon, code_step.weight_decay,
        code_step.decoupled,
    );
}

fn summed_gradient(value: u32, replica: u32) -> f32 {
    let first = replica * code_step.replica_stride + value * code_step.value_stride;
    var sum = 0.0;
    for (var l = 0u; l < code_step.value_stride; l++) {
        sum += summed[first + l];
    }
    return sum;
}

fn arrives(code: f32) -> f32 {
    switch code_step.halves {
        case 1u: { return nearest_f16(code); }
        case 2u: { return nearest_bf16(code); }
        default: { return code; }
    }
}

// The optimiser's step on codes, and by how much what arrives of them differs from where they started.
@compute @workgroup_size(LANES, 1, 1)
fn code_adam(@builtin(global_invocation_id) id: vec3<u32>) {
    let now = schedule[id.y * code_step.steps + code_step.step];
    if id.x >= code_step.floats || now.x == 0.0 { return; }
    let at = id.y * code_step.stride + id.x;
    let slope = vec4(summed_gradient(id.x, id.y));
    let next = adam(
        vec4(codes[at]), vec4(first_moments[at]), vec4(second_moments[at]), slope, now, code_settings(),
    );
    first_moments[at] = next.m.x;
    second_moments[at] = next.v.x;
    codes[at] = next.w.x;
    shifts[at] = arrives(next.w.x) - starts[at];
}

@compute @workgroup_size(LANES, 1, 1)
fn code_sgd(@builtin(global_invocation_id) id: vec3<u32>) {
    let now = schedule[id.y * code_step.steps + code_step.step];
    if id.x >= code_step.floats || now.x == 0.0 { return; }
    let at = id.y * code_step.stride + id.x;
    let next = sgd(
        vec4(codes[at]), vec4(first_moments[at]), vec4(summed_gradient(id.x, id.y)), now, code_settings(),
    );
    first_moments[at] = next.m.x;
    codes[at] = next.w.x;
    shifts[at] = arrives(next.w.x) - starts[at];
}

// Values of a decoder with hidden layers, and where they lie among a classifier's parameters.
struct Spread {
    count: u32,
    // The first of them among a replica's values, and how many values that has.
    source: u32,
    width: u32,
    // The same among a replica's parameters.
    destination: u32,
    stride: u32,
    // The one that the decoded values came out of.
    activation: u32,
}
var<immediate> spread: Spread;

// [R]
@group(0) @binding(0) var<storage, read> scales: array<f32>;
// [R, width]: decoded values now, and those of the start.
@group(0) @binding(1) var<storage, read> decoded_now: array<f32>;
@group(0) @binding(2) var<storage, read> decoded_before: array<f32>;
// [R, stride]
@group(0) @binding(3) var<storage, read> base: array<f32>;
@group(0) @binding(4) var<storage, read_write> parameters: array<f32>;

// parameters = base + scale (decoded now - decoded before)
@compute @workgroup_size(64, 1, 1)
fn code_spread(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= spread.count { return; }
    let value = id.y * spread.width + spread.source + id.x;
    let at = id.y * spread.stride + spread.destination + id.x;
    parameters[at] = base[at] + scales[id.y] * (decoded_now[value] - decoded_before[value]);
}

@group(0) @binding(2) var<storage, read> slopes: array<f32>;
@group(0) @binding(3) var<storage, read_write> collected: array<f32>;

// The way back, to before the activation: collected = scale slopes, times the derivative at what is decoded now
@compute @workgroup_size(64, 1, 1)
fn code_collect(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= spread.count { return; }
    let at = id.y * spread.stride + spread.destination + id.x;
    let value = id.y * spread.width + spread.source + id.x;
    collected[value] = scales[id.y] * slopes[at] * derivative(decoded_now[value], spread.activation);
}
