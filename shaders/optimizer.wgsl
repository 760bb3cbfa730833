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

// torch.optim.Adam and AdamW.
@compute @workgroup_size(64, 1, 1)
fn optimizer_adam(@builtin(global_invocation_id) id: vec3<u32>) {
    let now = schedule[id.y * apply.steps + apply.step];
    if id.x >= apply.count || now.x == 0.0 { return; }
    let at = apply.offset + id.y * apply.replica_stride + id.x;
    let w = parameters[at];
    let rate = now.w * apply.rate_scale;
    let decoupled = apply.decoupled == 1u;
    let g = gradients[id.y * apply.gradient_stride + id.x] + select(apply.weight_decay, 0.0, decoupled) * w;
    let m = apply.beta1 * first_moments[at] + (1.0 - apply.beta1) * g;
    let v = apply.beta2 * second_moments[at] + (1.0 - apply.beta2) * g * g;
    let decay = select(1.0, 1.0 - rate * apply.weight_decay, decoupled);
    first_moments[at] = m;
    second_moments[at] = v;
    parameters[at] = w * decay - now.y * apply.rate_scale * m / (sqrt(v) * now.z + apply.epsilon);
}

// torch.optim.SGD with momentum beta1 and no dampening.
@compute @workgroup_size(64, 1, 1)
fn optimizer_sgd(@builtin(global_invocation_id) id: vec3<u32>) {
    let now = schedule[id.y * apply.steps + apply.step];
    if id.x >= apply.count || now.x == 0.0 { return; }
    let at = apply.offset + id.y * apply.replica_stride + id.x;
    let w = parameters[at];
    let g = gradients[id.y * apply.gradient_stride + id.x];
    let m = apply.beta1 * first_moments[at] + g + apply.weight_decay * w;
    first_moments[at] = m;
    parameters[at] = w - now.w * apply.rate_scale * m;
}
