// Losses with their gradients. Sums are kept per place of the batch, so that no two lanes ever add to
// the same number; they stay on the device until the host reads the epoch's figures.

// Lanes of a workgroup; on a GPU they are more.
const LANES: u32 = 8u;

// begin shared: nothing, from gather.wgsl
// The number of a place of a batch that is left empty.
const NOTHING: u32 = 0xffffffffu;
// end shared: nothing

struct Loss {
    batch: u32,
    // Classes, or the width of this shard of the output.
    width: u32,
    steps: u32,
    step: u32,
    // 1: write the gradient too.
    gradient: u32,
    // Mean squared error: the width of the whole output, and values per lane.
    whole_width: u32,
    chunk: u32,
    // Mean squared error: the output layer's activation, so that the gradient is the one before it.
    activation: u32,
}
var<immediate> loss: Loss;

// [R, steps] of (1 / samples, ...); see dense_update.wgsl.
@group(0) @binding(0) var<storage, read> schedule: array<vec4<f32>>;
// [R, B]; NOTHING marks an empty place.
@group(0) @binding(1) var<storage, read> batch_labels: array<u32>;
// [R, B, O]
@group(0) @binding(2) var<storage, read> outputs: array<f32>;
// [R, B, O]: the gradient of the mean loss at the outputs.
@group(0) @binding(3) var<storage, read_write> output_gradients: array<f32>;
// [R, B, 2]: sums over steps of the loss and of the number of right answers.
@group(0) @binding(4) var<storage, read_write> tallies: array<f32>;

// Cross-entropy of the softmax, as torch.nn.CrossEntropyLoss; the answer is the first largest output.
@compute @workgroup_size(LANES, 1, 1)
fn softmax_cross_entropy(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= loss.batch { return; }
    let line = id.y * loss.batch + id.x;
    let label = batch_labels[line];
    let first = line * loss.width;
    if label == NOTHING {
        for (var c = 0u; c < loss.width * loss.gradient; c++) {
            output_gradients[first + c] = 0.0;
        }
        return;
    }
    var largest = outputs[first];
    var answer = 0u;
    for (var c = 1u; c < loss.width; c++) {
        if outputs[first + c] > largest {
            largest = outputs[first + c];
            answer = c;
        }
    }
    var total = 0.0;
    for (var c = 0u; c < loss.width; c++) {
        total += exp(outputs[first + c] - largest);
    }
    tallies[line * 2u] += log(total) + largest - outputs[first + label];
    tallies[line * 2u + 1u] += select(0.0, 1.0, answer == label);
    if loss.gradient == 0u { return; }
    let weight = schedule[id.y * loss.steps + loss.step].x;
    for (var c = 0u; c < loss.width; c++) {
        let probability = exp(outputs[first + c] - largest) / total;
        output_gradients[first + c] = weight * (probability - select(0.0, 1.0, c == label));
    }
}

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

// [R, B, N]
@group(0) @binding(5) var<storage, read> targets: array<f32>;
// [R, B, chunks]: sums over steps of the squared errors.
@group(0) @binding(4) var<storage, read_write> error_tallies: array<f32>;

// Mean over batch and width of the squared error, as torch.nn.MSELoss, for one shard of the width. The lanes of a
// workgroup take turns over their chunks, so that neighbours lie in neighbouring lanes.
@compute @workgroup_size(LANES, 1, 1)
fn mean_squared_error(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let chunks = (loss.width + loss.chunk - 1u) / loss.chunk;
    if id.x >= chunks { return; }
    let line = id.z * loss.batch + id.y;
    let first = line * loss.width;
    let lanes = min(LANES, chunks - group.x * LANES);
    let start = group.x * LANES * loss.chunk;
    let end = min(start + LANES * loss.chunk, loss.width);
    let there = batch_labels[line] != NOTHING;
    let weight = select(
        0.0,
        2.0 * schedule[id.z * loss.steps + loss.step].x / f32(loss.whole_width),
        there,
    );
    var sum = 0.0;
    for (var i = start + local.x; i < end; i += lanes) {
        let error = outputs[first + i] - targets[first + i];
        sum += error * error;
        if loss.gradient == 1u {
            output_gradients[first + i] = weight * error * derivative(outputs[first + i], loss.activation);
        }
    }
    if there {
        error_tallies[line * chunks + id.x] += sum;
    }
}
