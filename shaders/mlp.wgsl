// A classifier of two dense layers on images: a training step in two dispatches, for adapters whose subgroups have
// eight lanes or more. What it computes is what gather.wgsl, dense.wgsl, loss.wgsl and dense_update.wgsl compute one
// after the other.
//
// Faster: where a dispatch costs as much as its work (lavapipe), two are better than seven. Up to the gradient of the
// hidden layer no sample needs another, so that one lane can go all the way with its own. Images are read as the
// bytes that they came as, four pixels in one load, for loads are what costs.
//
// A workgroup is eight lanes and lies in one subgroup; lanes beyond the end go along, since the others need what
// they load. Channels are multiples of four pixels wide, H is a multiple of four, weights and biases begin where a vec4
// does, and there are at most ten outputs.

// begin shared: nothing, from gather.wgsl
// The number of a place of a batch that is left empty.
const NOTHING: u32 = 0xffffffffu;
// end shared: nothing

// Whether Adam steps or SGD; the host replaces the value.
const ADAPTIVE: u32 = 1u;

// Whether SGD leaves its moments. Without momentum nobody needs them, and the kernel waits for its loads and stores, of
// which they are half; the host replaces the value. With 2 the moments become the gradients, and weights stay.
const MOMENTS: u32 = 1u;

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

// What both dispatches need.
struct MlpStep {
    batch: u32,
    steps: u32,
    step: u32,
    // Pixels of an image and of one of its channels; H and O.
    width: u32,
    channel_width: u32,
    hidden: u32,
    outputs: u32,
    // Elements where replica 0's weights and biases begin, and from one replica to the next.
    hidden_weights: u32,
    hidden_bias: u32,
    output_weights: u32,
    output_bias: u32,
    replica_stride: u32,
    activation: u32,
    // 1: write the gradients too.
    gradient: u32,
    // The optimiser; see dense_update.wgsl.
    hidden_rate: f32,
    output_rate: f32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    weight_decay: f32,
    decoupled: u32,
}
var<immediate> mlp: MlpStep;

// [R, steps, B] sample numbers
@group(0) @binding(0) var<storage, read> index: array<u32>;
@group(0) @binding(1) var<storage, read> bytes: array<u32>;
// For each channel: factor and summand.
@group(0) @binding(2) var<storage, read> scales: array<vec2<f32>>;
// [R, steps] of (1 / samples, ...); see dense_update.wgsl.
@group(0) @binding(3) var<storage, read> schedule: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> parameters: array<f32>;
@group(0) @binding(5) var<storage, read> labels: array<u32>;
// [R, B, 2H + O]: the hidden values, their gradients before the activation, and those of the outputs.
@group(0) @binding(6) var<storage, read_write> values: array<f32>;
// [R, B, 2]: sums over steps of the loss and of the number of right answers.
@group(0) @binding(7) var<storage, read_write> tallies: array<f32>;

// begin shared: samples
// The sample at a place of the batch; NOTHING beyond it.
fn sample_of(replica: u32, place: u32) -> u32 {
    let at = (replica * mlp.steps + mlp.step) * mlp.batch + min(place, mlp.batch - 1u);
    return select(NOTHING, index[at], place < mlp.batch);
}

fn pixels(word: u32, scale: vec2<f32>) -> vec4<f32> {
    return vec4<f32>((vec4(word) >> vec4(0u, 8u, 16u, 24u)) & vec4(0xffu)) * scale.x + scale.y;
}
// end shared: samples

// Where the values of a place begin.
fn values_at(replica: u32, place: u32) -> u32 {
    let line = replica * mlp.batch + min(place, mlp.batch - 1u);
    return line * (2u * mlp.hidden + mlp.outputs);
}

// ---------------------------------------------------------------------------------------------------
// Forward, loss, and back to the hidden layer

// begin shared: ten rows
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

// Ten parameters for all lanes; there are `count`, and what lies beyond is any.
fn ten_parameters(at: u32, count: u32, lane: u32) -> Ten {
    let eight = parameters[at + min(lane, count - 1u)];
    let two = parameters[at + min(8u + lane % 2u, count - 1u)];
    return ten_of(eight, two);
}

// Weights of the output layer: those of one output and ten hidden values.
fn output_row(output: u32, first: u32, base: u32, lane: u32) -> Ten {
    let at = mlp.output_weights + base + min(output, mlp.outputs - 1u) * mlp.hidden + first;
    return ten_parameters(at, mlp.hidden - first, lane);
}

fn store_ten(ten: ptr<function, Ten>, at: u32, count: u32) {
    for (var i = 0u; i < min(count, 10u); i++) {
        values[at + i] = (*ten)[i];
    }
}

// Turns the outputs of a sample into their gradient and counts its loss; 0 where there is no sample.
fn finish(logits: ptr<function, Ten>, replica: u32, place: u32, sample: u32) {
    let there = sample != NOTHING;
    let answer = answer_of(logits, sample);
    if there {
        let tally = 2u * (replica * mlp.batch + place);
        tallies[tally] += answer.loss;
        tallies[tally + 1u] += answer.right;
    }
    let weight = select(0.0, schedule[replica * mlp.steps + mlp.step].x, there);
    for (var o = 0u; o < 10u; o++) {
        (*logits)[o] = weight * ((*logits)[o] / answer.total - select(0.0, 1.0, o == answer.label));
    }
}

// The gradients of ten hidden values: their sums over outputs through the activation.
fn store_hidden_gradient(sums: ptr<function, Ten>, at: u32, count: u32) {
    for (var i = 0u; i < min(count, 10u); i++) {
        values[at + mlp.hidden + i] = (*sums)[i] * derivative(values[at + i], mlp.activation);
    }
}

// Lanes run over pairs of samples. x: those, z: replicas.
@compute @workgroup_size(8, 1, 1)
fn mlp_pass(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let replica = group.z;
    let place = id.x * 2u;
    let upper_here = place < mlp.batch;
    let lower_here = place + 1u < mlp.batch;
    let upper_sample = sample_of(replica, place);
    let lower_sample = sample_of(replica, place + 1u);
    // Where there is no sample, any other will do.
    let upper_at = select(upper_sample, 0u, upper_sample == NOTHING) * (mlp.width / 4u);
    let lower_at = select(lower_sample, 0u, lower_sample == NOTHING) * (mlp.width / 4u);
    let upper_values = values_at(replica, place);
    let lower_values = values_at(replica, place + 1u);
    let base = replica * mlp.replica_stride;
    let weights = mlp.hidden_weights + base;
    var upper_logits = ten_parameters(mlp.output_bias + base, mlp.outputs, lane);
    var lower_logits = upper_logits;
    for (var first = 0u; first < mlp.hidden; first += 10u) {
        let w0 = pair_at(first, lane, weights);
        let w1 = pair_at(first + 2u, lane, weights);
        let w2 = pair_at(first + 4u, lane, weights);
        let w3 = pair_at(first + 6u, lane, weights);
        let w4 = pair_at(first + 8u, lane, weights);
        var upper: Ten;
        var lower: Ten;
        var at = 0u;
        for (var channel = 0u; at < mlp.width / 4u; channel++) {
            let scale = scales[channel];
            for (var i = 0u; i < mlp.channel_width / 4u; i++) {
                let a = pixels(bytes[upper_at + at], scale);
                let b = pixels(bytes[lower_at + at], scale);
                let p0 = parameters[w0 + at * 4u];
                let p1 = parameters[w1 + at * 4u];
                let p2 = parameters[w2 + at * 4u];
                let p3 = parameters[w3 + at * 4u];
                let p4 = parameters[w4 + at * 4u];
                add_rows(&upper, &lower, Pairs(p0, p1, p2, p3, p4), a, b);
                at += 1u;
            }
        }
        let count = mlp.hidden - first;
        let bias = ten_parameters(mlp.hidden_bias + base + first, count, lane);
        hidden_values(&upper, bias, count);
        hidden_values(&lower, bias, count);
        if upper_here { store_ten(&upper, upper_values + first, count); }
        if lower_here { store_ten(&lower, lower_values + first, count); }
        for (var o = 0u; o < 10u; o++) {
            let row = output_row(o, first, base, lane);
            upper_logits[o] += dot_ten(row, upper);
            lower_logits[o] += dot_ten(row, lower);
        }
    }
    finish(&upper_logits, replica, place, upper_sample);
    finish(&lower_logits, replica, place + 1u, lower_sample);
    if mlp.gradient == 0u { return; }
    if upper_here { store_ten(&upper_logits, upper_values + 2u * mlp.hidden, mlp.outputs); }
    if lower_here { store_ten(&lower_logits, lower_values + 2u * mlp.hidden, mlp.outputs); }
    for (var first = 0u; first < mlp.hidden; first += 10u) {
        var upper: Ten;
        var lower: Ten;
        for (var o = 0u; o < mlp.outputs; o++) {
            let row = output_row(o, first, base, lane);
            for (var i = 0u; i < 10u; i++) {
                upper[i] += row[i] * upper_logits[o];
                lower[i] += row[i] * lower_logits[o];
            }
        }
        let count = mlp.hidden - first;
        if upper_here { store_hidden_gradient(&upper, upper_values + first, count); }
        if lower_here { store_hidden_gradient(&lower, lower_values + first, count); }
    }
}

// ---------------------------------------------------------------------------------------------------
// Gradients of all weights and biases, and the optimiser

@group(0) @binding(4) var<storage, read_write> parameters4: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> first_moments4: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> layer_values: array<f32>;
@group(0) @binding(7) var<storage, read_write> second_moments4: array<vec4<f32>>;

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

fn step_four(place: u32, gradient: vec4<f32>, now: vec4<f32>, rate: f32) {
    let by = Settings(rate, mlp.beta1, mlp.beta2, mlp.epsilon, mlp.weight_decay, mlp.decoupled);
    var next: Stepped;
    if ADAPTIVE == 1u {
        let v = second_moments4[place];
        next = adam(parameters4[place], first_moments4[place], v, gradient, now, by);
        second_moments4[place] = next.v;
    } else if MOMENTS == 2u {
        first_moments4[place] = gradient;
        return;
    } else if MOMENTS == 0u {
        parameters4[place] = sgd(parameters4[place], vec4<f32>(), gradient, now, by).w;
        return;
    } else {
        next = sgd(parameters4[place], first_moments4[place], gradient, now, by);
    }
    parameters4[place] = next.w;
    first_moments4[place] = next.m;
}

// Ten rows by four columns.
alias Tile = array<vec4<f32>, 10>;

// Which gradients: ten rows from `first` on, of `count` that begin `at` values behind the start of a sample's.
struct Rows {
    at: u32,
    first: u32,
    count: u32,
}

// The gradient of a row at a place of the batch, 0 beyond it.
fn gradient(rows: Rows, row: u32, replica: u32, place: u32) -> f32 {
    let at = values_at(replica, place) + rows.at + min(rows.first + row, rows.count - 1u);
    return select(0.0, layer_values[at], place < mlp.batch);
}

// Adds what a sample adds: the gradients of ten rows, eight of them in a lane each, times its columns.
fn add_sample(tile: ptr<function, Tile>, eight: f32, ninth: f32, tenth: f32, columns: vec4<f32>) {
    (*tile)[0] += subgroupBroadcast(eight, 0u) * columns;
    (*tile)[1] += subgroupBroadcast(eight, 1u) * columns;
    (*tile)[2] += subgroupBroadcast(eight, 2u) * columns;
    (*tile)[3] += subgroupBroadcast(eight, 3u) * columns;
    (*tile)[4] += subgroupBroadcast(eight, 4u) * columns;
    (*tile)[5] += subgroupBroadcast(eight, 5u) * columns;
    (*tile)[6] += subgroupBroadcast(eight, 6u) * columns;
    (*tile)[7] += subgroupBroadcast(eight, 7u) * columns;
    (*tile)[8] += ninth * columns;
    (*tile)[9] += tenth * columns;
}

// Four pixels of an image. Where there is no sample the gradients are 0, and any will do.
fn image_columns(sample: u32, column4: u32, scale: vec2<f32>) -> vec4<f32> {
    return pixels(bytes[select(sample, 0u, sample == NOTHING) * (mlp.width / 4u) + column4], scale);
}

// Ten hidden values by the lane's four pixels, a few samples at a time: the last two rows of four samples come in one
// load.
fn sum_images(tile: ptr<function, Tile>, rows: Rows, column4: u32, lane: u32, replica: u32) {
    let scale = scales[column4 * 4u / mlp.channel_width];
    for (var b = 0u; b < mlp.batch; b += 4u) {
        let samples = sample_of(replica, b + lane % 4u);
        let last = gradient(rows, 8u + lane % 2u, replica, b + lane / 2u);
        let c0 = image_columns(subgroupBroadcast(samples, 0u), column4, scale);
        let c1 = image_columns(subgroupBroadcast(samples, 1u), column4, scale);
        let c2 = image_columns(subgroupBroadcast(samples, 2u), column4, scale);
        let c3 = image_columns(subgroupBroadcast(samples, 3u), column4, scale);
        let e0 = gradient(rows, lane, replica, b);
        let e1 = gradient(rows, lane, replica, b + 1u);
        let e2 = gradient(rows, lane, replica, b + 2u);
        let e3 = gradient(rows, lane, replica, b + 3u);
        add_sample(tile, e0, subgroupBroadcast(last, 0u), subgroupBroadcast(last, 1u), c0);
        add_sample(tile, e1, subgroupBroadcast(last, 2u), subgroupBroadcast(last, 3u), c1);
        add_sample(tile, e2, subgroupBroadcast(last, 4u), subgroupBroadcast(last, 5u), c2);
        add_sample(tile, e3, subgroupBroadcast(last, 6u), subgroupBroadcast(last, 7u), c3);
    }
}

fn four_values(at: u32) -> vec4<f32> {
    return vec4(layer_values[at], layer_values[at + 1u], layer_values[at + 2u], layer_values[at + 3u]);
}

// All outputs by the lane's four hidden values.
fn sum_outputs(tile: ptr<function, Tile>, rows: Rows, column4: u32, lane: u32, replica: u32) {
    for (var b = 0u; b < mlp.batch; b++) {
        let eight = gradient(rows, lane, replica, b);
        let two = gradient(rows, 8u + lane % 2u, replica, b);
        let columns = four_values(values_at(replica, b) + column4 * 4u);
        add_sample(tile, eight, subgroupBroadcast(two, 0u), subgroupBroadcast(two, 1u), columns);
    }
}

// The lane's four biases; those of the outputs follow those of the hidden values, as their gradients do.
fn sum_biases(tile: ptr<function, Tile>, four: u32, replica: u32) {
    let at = mlp.hidden + four * 4u;
    let there = vec4(at, at + 1u, at + 2u, at + 3u) < vec4(2u * mlp.hidden + mlp.outputs);
    for (var b = 0u; b < mlp.batch; b++) {
        (*tile)[0] += select(vec4<f32>(), four_values(values_at(replica, b) + at), there);
    }
}

// x: one workgroup after the other for ten hidden values and 32 pixels, and at the end some for the output layer and
// the biases, so that who deals them out to threads in order deals evenly; z: replicas.
@compute @workgroup_size(8, 1, 1)
fn mlp_update(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let replica = group.z;
    let now = schedule[replica * mlp.steps + mlp.step];
    if now.x == 0.0 { return; }
    let base = replica * mlp.replica_stride;
    let pixels4 = mlp.width / 4u;
    let hidden4 = mlp.hidden / 4u;
    let across = (pixels4 + 7u) / 8u;
    let image_groups = (mlp.hidden + 9u) / 10u * across;
    let output_groups = (hidden4 + 7u) / 8u;
    // The lane's columns, and where its first four parameters lie; rows of the tile and from one to the next.
    var tile: Tile;
    var there = false;
    var place = 0u;
    var count = 0u;
    var stride = 0u;
    var rate = mlp.hidden_rate;
    if group.x < image_groups {
        let first = group.x / across * 10u;
        let column4 = group.x % across * 8u + lane;
        sum_images(&tile, Rows(mlp.hidden, first, mlp.hidden), min(column4, pixels4 - 1u), lane, replica);
        there = column4 < pixels4;
        place = (mlp.hidden_weights + base) / 4u + first * pixels4 + column4;
        count = min(10u, mlp.hidden - first);
        stride = pixels4;
    } else if group.x < image_groups + output_groups {
        let column4 = (group.x - image_groups) * 8u + lane;
        sum_outputs(&tile, Rows(2u * mlp.hidden, 0u, mlp.outputs), min(column4, hidden4 - 1u), lane, replica);
        there = column4 < hidden4;
        place = (mlp.output_weights + base) / 4u + column4;
        count = mlp.outputs;
        stride = hidden4;
        rate = mlp.output_rate;
    } else {
        let four = (group.x - image_groups - output_groups) * 8u + lane;
        let of_outputs = four >= hidden4;
        there = four * 4u < mlp.hidden + mlp.outputs;
        sum_biases(&tile, select(0u, four, there), replica);
        place = (select(mlp.hidden_bias, mlp.output_bias, of_outputs) + base) / 4u
            + select(four, four - hidden4, of_outputs);
        count = 1u;
        rate = select(mlp.hidden_rate, mlp.output_rate, of_outputs);
    }
    if !there { return; }
    // Places that vary want a copy, so that the sums stay in registers above.
    var gradients = tile;
    for (var i = 0u; i < count; i++) {
        step_four(place + i * stride, gradients[i], now, rate);
    }
}
