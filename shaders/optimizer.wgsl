// The optimiser for layers whose gradients are in memory (convolutions). Dense layers apply theirs in
// registers: dense_update.wgsl.

struct Apply {
    // Gradients [R, gradient_stride], of which the first `count` are used.
    count: u32,
    gradient_stride: u32,
    // Where replica 0's parameters begin, and elements from one replica to the next.
    offset: u32,
    replica_stride: u32,
    // The schedule, as in dense_update.wgsl.
    steps: u32,
    step: u32,
    rate_scale: f32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    weight_decay: f32,
    decoupled: u32,
}
var<immediate> apply: Apply;

@group(0) @binding(0) var<storage, read> gradients: array<f32>;
@group(0) @binding(1) var<storage, read> schedule: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(3) var<storage, read_write> first_moments: array<f32>;
@group(0) @binding(4) var<storage, read_write> second_moments: array<f32>;

// begin shared: optimizer
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

fn apply_settings() -> Settings {
    return Settings(
        apply.rate_scale, apply.beta1, apply.beta2, apply.epsilon, apply.weight_decay, apply.decoupled,
    );
}

@compute @workgroup_size(64, 1, 1)
fn optimizer_adam(@builtin(global_invocation_id) id: vec3<u32>) {
    let now = schedule[id.y * apply.steps + apply.step];
    if id.x >= apply.count || now.x == 0.0 { return; }
    let at = apply.offset + id.y * apply.replica_stride + id.x;
    let gradient = gradients[id.y * apply.gradient_stride + id.x];
    let next = adam(
        vec4(parameters[at]), vec4(first_moments[at]), vec4(second_moments[at]), vec4(gradient), now, apply_settings(),
    );
    first_moments[at] = next.m.x;
    second_moments[at] = next.v.x;
    parameters[at] = next.w.x;
}

@compute @workgroup_size(64, 1, 1)
fn optimizer_sgd(@builtin(global_invocation_id) id: vec3<u32>) {
    let now = schedule[id.y * apply.steps + apply.step];
    if id.x >= apply.count || now.x == 0.0 { return; }
    let at = apply.offset + id.y * apply.replica_stride + id.x;
    let gradient = gradients[id.y * apply.gradient_stride + id.x];
    let next = sgd(vec4(parameters[at]), vec4(first_moments[at]), vec4(gradient), now, apply_settings());
    first_moments[at] = next.m.x;
    parameters[at] = next.w.x;
}
