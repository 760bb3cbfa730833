// A classifier of two dense layers on images: a training step in two dispatches, for adapters whose subgroups have
// eight lanes or more. What it computes is what gather.wgsl, dense.wgsl, loss.wgsl and dense_update.wgsl compute one
// after the other.
//
// Faster: where a dispatch costs as much as its work (lavapipe), two are better than seven. Up to the gradient of the
// hidden layer no sample needs another, so that one lane can go all the way with its own. Images are read as the
// bytes that they came as, four pixels in one load, for loads are what costs.
//
// A workgroup is eight lanes and lies in one subgroup; lanes beyond the end go along, since the others need what
// they load. Channels are multiples of four pixels wide.

const NOTHING: u32 = 0xffffffffu;

// Whether Adam steps or SGD; the host replaces the value.
const ADAPTIVE: u32 = 1u;

fn activate(x: f32, activation: u32) -> f32 {
    switch activation {
        case 1u: { return max(x, 0.0); }
        case 2u: { return tanh(clamp(x, -15.0, 15.0)); }
        case 3u: { return 1.0 / (1.0 + exp(-x)); }
        default: { return x; }
    }
}

fn derivative(y: f32, activation: u32) -> f32 {
    switch activation {
        case 1u: { return select(0.0, 1.0, y > 0.0); }
        case 2u: { return 1.0 - y * y; }
        case 3u: { return y * (1.0 - y); }
        default: { return 1.0; }
    }
}

// What both dispatches need.
struct Mlp {
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
var<immediate> mlp: Mlp;

// [R, steps, B] sample numbers
@group(0) @binding(0) var<storage, read> index: array<u32>;
@group(0) @binding(1) var<storage, read> bytes: array<u32>;
// For each channel: factor and summand.
@group(0) @binding(2) var<storage, read> scales: array<vec2<f32>>;
// [R, steps] of (1 / samples, ...); see dense_update.wgsl.
@group(0) @binding(3) var<storage, read> schedule: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> parameters: array<f32>;
@group(0) @binding(5) var<storage, read> labels: array<u32>;
// [R, B, 2H + 2O]: the hidden values, their gradients before the activation, the outputs and their gradients.
@group(0) @binding(6) var<storage, read_write> values: array<f32>;
// [R, B, 2]: sums over steps of the loss and of the number of right answers.
@group(0) @binding(7) var<storage, read_write> tallies: array<f32>;

// The sample at a place of the batch; NOTHING beyond it.
fn sample_at(replica: u32, place: u32) -> u32 {
    let at = (replica * mlp.steps + mlp.step) * mlp.batch + min(place, mlp.batch - 1u);
    return select(NOTHING, index[at], place < mlp.batch);
}

// Where the values of a place begin.
fn values_at(replica: u32, place: u32) -> u32 {
    let line = replica * mlp.batch + min(place, mlp.batch - 1u);
    return line * 2u * (mlp.hidden + mlp.outputs);
}

fn pixels(word: u32, scale: vec2<f32>) -> vec4<f32> {
    return vec4<f32>((vec4(word) >> vec4(0u, 8u, 16u, 24u)) & vec4(0xffu)) * scale.x + scale.y;
}

// ---------------------------------------------------------------------------------------------------
// Forward, loss, and back to the hidden layer

// Sums of ten hidden values of a sample.
alias Ten = array<f32, 10>;

// The weights of a row that the first four lanes hold, and those that the others do.
fn first_four(w: f32) -> vec4<f32> {
    return vec4(
        subgroupBroadcast(w, 0u), subgroupBroadcast(w, 1u), subgroupBroadcast(w, 2u), subgroupBroadcast(w, 3u),
    );
}

fn second_four(w: f32) -> vec4<f32> {
    return vec4(
        subgroupBroadcast(w, 4u), subgroupBroadcast(w, 5u), subgroupBroadcast(w, 6u), subgroupBroadcast(w, 7u),
    );
}

// Where the lane's weight of a pair of rows begins: four columns of each lie in eight lanes.
fn pair_at(row: u32, lane: u32, base: u32) -> u32 {
    return base + min(row + lane / 4u, mlp.hidden - 1u) * mlp.width + lane % 4u;
}

fn store_hidden(sums: ptr<function, Ten>, first: u32, at: u32, replica: u32) {
    let bias = mlp.hidden_bias + replica * mlp.replica_stride;
    for (var i = 0u; i < 10u; i++) {
        if first + i < mlp.hidden {
            values[at + first + i] = activate((*sums)[i] + parameters[bias + first + i], mlp.activation);
        }
    }
}

// A row of the output layer times the hidden values, four at a time as dense_lanes.wgsl does, so that sums come out
// the same to the bit.
fn dot_hidden(row: u32, hidden: u32) -> f32 {
    var sum = 0.0;
    var h = 0u;
    for (; h + 3u < mlp.hidden; h += 4u) {
        let w = row + h;
        let x = hidden + h;
        sum += dot(
            vec4(parameters[w], parameters[w + 1u], parameters[w + 2u], parameters[w + 3u]),
            vec4(values[x], values[x + 1u], values[x + 2u], values[x + 3u]),
        );
    }
    for (; h < mlp.hidden; h++) {
        sum += parameters[row + h] * values[hidden + h];
    }
    return sum;
}

// From the hidden values of a sample to its loss and back.
fn finish(replica: u32, place: u32, sample: u32) {
    if place >= mlp.batch { return; }
    let hidden = values_at(replica, place);
    let hidden_gradient = hidden + mlp.hidden;
    let output = hidden_gradient + mlp.hidden;
    let output_gradient = output + mlp.outputs;
    if sample == NOTHING {
        for (var h = 0u; h < mlp.hidden * mlp.gradient; h++) { values[hidden_gradient + h] = 0.0; }
        for (var o = 0u; o < mlp.outputs * mlp.gradient; o++) { values[output_gradient + o] = 0.0; }
        return;
    }
    let base = replica * mlp.replica_stride;
    let weights = mlp.output_weights + base;
    // The answer is the first largest output.
    var largest = 0.0;
    var answer = 0u;
    for (var o = 0u; o < mlp.outputs; o++) {
        let sum = dot_hidden(weights + o * mlp.hidden, hidden) + parameters[mlp.output_bias + base + o];
        values[output + o] = sum;
        if o == 0u || sum > largest {
            largest = sum;
            answer = o;
        }
    }
    var total = 0.0;
    for (var o = 0u; o < mlp.outputs; o++) {
        total += exp(values[output + o] - largest);
    }
    let label = (labels[sample / 4u] >> (8u * (sample % 4u))) & 0xffu;
    let tally = 2u * (replica * mlp.batch + place);
    tallies[tally] += log(total) + largest - values[output + label];
    tallies[tally + 1u] += select(0.0, 1.0, answer == label);
    if mlp.gradient == 0u { return; }
    let weight = schedule[replica * mlp.steps + mlp.step].x;
    for (var o = 0u; o < mlp.outputs; o++) {
        let probability = exp(values[output + o] - largest) / total;
        values[output_gradient + o] = weight * (probability - select(0.0, 1.0, o == label));
    }
    for (var h = 0u; h < mlp.hidden; h++) {
        var sum = 0.0;
        for (var o = 0u; o < mlp.outputs; o++) {
            sum += parameters[weights + o * mlp.hidden + h] * values[output_gradient + o];
        }
        values[hidden_gradient + h] = sum * derivative(values[hidden + h], mlp.activation);
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
    let upper_sample = sample_at(replica, place);
    let lower_sample = sample_at(replica, place + 1u);
    // Where there is no sample, any other will do.
    let upper_at = select(upper_sample, 0u, upper_sample == NOTHING) * (mlp.width / 4u);
    let lower_at = select(lower_sample, 0u, lower_sample == NOTHING) * (mlp.width / 4u);
    let base = mlp.hidden_weights + replica * mlp.replica_stride;
    for (var first = 0u; first < mlp.hidden; first += 10u) {
        let w0 = pair_at(first, lane, base);
        let w1 = pair_at(first + 2u, lane, base);
        let w2 = pair_at(first + 4u, lane, base);
        let w3 = pair_at(first + 6u, lane, base);
        let w4 = pair_at(first + 8u, lane, base);
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
                let r0 = first_four(p0);
                let r1 = second_four(p0);
                let r2 = first_four(p1);
                let r3 = second_four(p1);
                let r4 = first_four(p2);
                let r5 = second_four(p2);
                let r6 = first_four(p3);
                let r7 = second_four(p3);
                let r8 = first_four(p4);
                let r9 = second_four(p4);
                upper[0] += dot(r0, a);
                upper[1] += dot(r1, a);
                upper[2] += dot(r2, a);
                upper[3] += dot(r3, a);
                upper[4] += dot(r4, a);
                upper[5] += dot(r5, a);
                upper[6] += dot(r6, a);
                upper[7] += dot(r7, a);
                upper[8] += dot(r8, a);
                upper[9] += dot(r9, a);
                lower[0] += dot(r0, b);
                lower[1] += dot(r1, b);
                lower[2] += dot(r2, b);
                lower[3] += dot(r3, b);
                lower[4] += dot(r4, b);
                lower[5] += dot(r5, b);
                lower[6] += dot(r6, b);
                lower[7] += dot(r7, b);
                lower[8] += dot(r8, b);
                lower[9] += dot(r9, b);
                at += 1u;
            }
        }
        if place < mlp.batch { store_hidden(&upper, first, values_at(replica, place), replica); }
        if place + 1u < mlp.batch { store_hidden(&lower, first, values_at(replica, place + 1u), replica); }
    }
    finish(replica, place, upper_sample);
    finish(replica, place + 1u, lower_sample);
}

// ---------------------------------------------------------------------------------------------------
// Gradients of all weights and biases, and the optimiser

@group(0) @binding(4) var<storage, read_write> parameters4: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> first_moments4: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> layer_values: array<f32>;
@group(0) @binding(7) var<storage, read_write> second_moments4: array<vec4<f32>>;

struct Stepped {
    w: vec4<f32>,
    m: vec4<f32>,
    v: vec4<f32>,
}

// torch.optim.Adam and AdamW: epsilon is added after the bias correction of the root.
fn adam(w: vec4<f32>, m: vec4<f32>, v: vec4<f32>, gradient: vec4<f32>, now: vec4<f32>, scale: f32) -> Stepped {
    let decay = select(1.0, 1.0 - now.w * scale * mlp.weight_decay, mlp.decoupled == 1u);
    let g = gradient + select(mlp.weight_decay, 0.0, mlp.decoupled == 1u) * w;
    let next_m = mlp.beta1 * m + (1.0 - mlp.beta1) * g;
    let next_v = mlp.beta2 * v + (1.0 - mlp.beta2) * g * g;
    let next_w = w * decay - now.y * scale * next_m / (sqrt(next_v) * now.z + mlp.epsilon);
    return Stepped(next_w, next_m, next_v);
}

// torch.optim.SGD with momentum beta1 and no dampening.
fn sgd(w: vec4<f32>, m: vec4<f32>, gradient: vec4<f32>, now: vec4<f32>, scale: f32) -> Stepped {
    let next_m = mlp.beta1 * m + gradient + mlp.weight_decay * w;
    return Stepped(w - now.w * scale * next_m, next_m, vec4<f32>());
}

fn step_four(place: u32, gradient: vec4<f32>, now: vec4<f32>) {
    var next: Stepped;
    if ADAPTIVE == 1u {
        let v = second_moments4[place];
        next = adam(parameters4[place], first_moments4[place], v, gradient, now, mlp.hidden_rate);
        second_moments4[place] = next.v;
    } else {
        next = sgd(parameters4[place], first_moments4[place], gradient, now, mlp.hidden_rate);
    }
    parameters4[place] = next.w;
    first_moments4[place] = next.m;
}

fn step_one(element: u32, gradient: f32, now: vec4<f32>, scale: f32) {
    let place = element / 4u;
    let lane = element % 4u;
    let w = vec4(parameters4[place][lane]);
    let m = vec4(first_moments4[place][lane]);
    var next: Stepped;
    if ADAPTIVE == 1u {
        next = adam(w, m, vec4(second_moments4[place][lane]), vec4(gradient), now, scale);
        second_moments4[place][lane] = next.v.x;
    } else {
        next = sgd(w, m, vec4(gradient), now, scale);
    }
    parameters4[place][lane] = next.w.x;
    first_moments4[place][lane] = next.m.x;
}

// Four columns of eight rows.
alias Tile = array<vec4<f32>, 8>;

// Adds what a sample at the end of a broadcast has: its pixels times the gradients of eight hidden values.
fn add_sample(tile: ptr<function, Tile>, sample: u32, at: u32, row: u32, column4: u32, scale: vec2<f32>) {
    // Where there is no sample the gradients are 0, and any pixels will do.
    let there = select(sample, 0u, sample == NOTHING);
    let columns = pixels(bytes[there * (mlp.width / 4u) + column4], scale);
    let gradient = select(layer_values[at + mlp.hidden + row], 0.0, sample == NOTHING);
    (*tile)[0] += subgroupBroadcast(gradient, 0u) * columns;
    (*tile)[1] += subgroupBroadcast(gradient, 1u) * columns;
    (*tile)[2] += subgroupBroadcast(gradient, 2u) * columns;
    (*tile)[3] += subgroupBroadcast(gradient, 3u) * columns;
    (*tile)[4] += subgroupBroadcast(gradient, 4u) * columns;
    (*tile)[5] += subgroupBroadcast(gradient, 5u) * columns;
    (*tile)[6] += subgroupBroadcast(gradient, 6u) * columns;
    (*tile)[7] += subgroupBroadcast(gradient, 7u) * columns;
}

// Eight hidden values by the lane's four pixels; the numbers of eight samples are loaded by a lane each.
fn update_images(tile_at: u32, column4: u32, lane: u32, replica: u32, now: vec4<f32>) {
    let columns4 = mlp.width / 4u;
    let first_row = tile_at * 8u;
    let row = min(first_row + lane, mlp.hidden - 1u);
    let own = min(column4, columns4 - 1u);
    let scale = scales[own * 4u / mlp.channel_width];
    var tile: Tile;
    for (var first = 0u; first < mlp.batch; first += 8u) {
        let samples = sample_at(replica, first + lane);
        add_sample(&tile, subgroupBroadcast(samples, 0u), values_at(replica, first), row, own, scale);
        add_sample(&tile, subgroupBroadcast(samples, 1u), values_at(replica, first + 1u), row, own, scale);
        add_sample(&tile, subgroupBroadcast(samples, 2u), values_at(replica, first + 2u), row, own, scale);
        add_sample(&tile, subgroupBroadcast(samples, 3u), values_at(replica, first + 3u), row, own, scale);
        add_sample(&tile, subgroupBroadcast(samples, 4u), values_at(replica, first + 4u), row, own, scale);
        add_sample(&tile, subgroupBroadcast(samples, 5u), values_at(replica, first + 5u), row, own, scale);
        add_sample(&tile, subgroupBroadcast(samples, 6u), values_at(replica, first + 6u), row, own, scale);
        add_sample(&tile, subgroupBroadcast(samples, 7u), values_at(replica, first + 7u), row, own, scale);
    }
    if column4 >= columns4 { return; }
    let place = (mlp.hidden_weights + replica * mlp.replica_stride) / 4u + first_row * columns4 + column4;
    for (var i = 0u; i < 8u; i++) {
        if first_row + i < mlp.hidden { step_four(place + i * columns4, tile[i], now); }
    }
}

// Biases of the hidden layer, weights and biases of the output layer: one element in each lane.
fn update_rest(number: u32, replica: u32, now: vec4<f32>) {
    let base = replica * mlp.replica_stride;
    let weights = mlp.hidden * mlp.outputs;
    if number >= mlp.hidden + weights + mlp.outputs { return; }
    let stride = 2u * (mlp.hidden + mlp.outputs);
    let output_gradient = 2u * mlp.hidden + mlp.outputs;
    // Which value's gradient, times which hidden value.
    var gradient_of = mlp.hidden + number;
    var times = NOTHING;
    var element = mlp.hidden_bias + base + number;
    if number >= mlp.hidden + weights {
        let output = number - mlp.hidden - weights;
        gradient_of = output_gradient + output;
        element = mlp.output_bias + base + output;
    } else if number >= mlp.hidden {
        let weight = number - mlp.hidden;
        gradient_of = output_gradient + weight / mlp.hidden;
        times = weight % mlp.hidden;
        element = mlp.output_weights + base + weight;
    }
    var sum = 0.0;
    for (var b = 0u; b < mlp.batch; b++) {
        let at = (replica * mlp.batch + b) * stride;
        let factor = select(layer_values[at + min(times, mlp.hidden)], 1.0, times == NOTHING);
        sum += layer_values[at + gradient_of] * factor;
    }
    step_one(element, sum, now, select(mlp.output_rate, mlp.hidden_rate, number < mlp.hidden));
}

// y: tiles of eight hidden values, whose lanes run over groups of four pixels (x), and one more for all the rest;
// z: replicas.
@compute @workgroup_size(8, 1, 1)
fn mlp_update(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let replica = group.z;
    let now = schedule[replica * mlp.steps + mlp.step];
    if now.x == 0.0 { return; }
    if group.y * 8u >= mlp.hidden {
        update_rest(id.x, replica, now);
    } else if group.x * 32u < mlp.width {
        update_images(group.y, id.x, lane, replica, now);
    }
}
