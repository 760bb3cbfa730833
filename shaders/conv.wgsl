// Convolutions, two-dimensional; one dimension is height 1, and a transposed convolution is the same
// kernels in each other's place.
//
//   forward          y[b, o] = sum over c, i, j of w[o, c, i, j] x[b, c, sy + i - top, sx + j - left]
//   backward_input   dx[b, c] = the same sum seen from x
//   update           dw[o, c, i, j] = sum over b, y, x of dy[b, o, y, x] x[b, c, ...], optimiser applied
//
// Activations are [R, B, C, H, W], weights [R, O, C, KH, KW] as PyTorch has them. Nothing is unfolded in
// memory. These are the readable reference, for any size, stride and padding; conv3x3.wgsl is faster.

const EPILOGUE_FORWARD: u32 = 1u;  // add the bias, apply the activation
const EPILOGUE_BACKWARD: u32 = 2u; // multiply by the derivative of the activation that `gate` came out of

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

struct Conv {
    batch: u32,
    // C, H, W of the large side and O, OH, OW of the small one.
    inputs: u32,
    input_height: u32,
    input_width: u32,
    outputs: u32,
    output_height: u32,
    output_width: u32,
    kernel_height: u32,
    kernel_width: u32,
    stride_height: u32,
    stride_width: u32,
    pad_top: u32,
    pad_left: u32,
    weight_offset: u32,
    replica_stride: u32,
    bias_offset: u32,
    epilogue: u32,
    activation: u32,
}
var<immediate> conv: Conv;

@group(0) @binding(0) var<storage, read> weights: array<f32>;
@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read> gate: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;

fn finish(sum: f32, at: u32, channel: u32, replica: u32) -> f32 {
    if conv.epilogue == EPILOGUE_FORWARD {
        let bias = weights[conv.bias_offset + replica * conv.replica_stride + channel];
        return activate(sum + bias, conv.activation);
    }
    if conv.epilogue == EPILOGUE_BACKWARD {
        return sum * derivative(gate[at], conv.activation);
    }
    return sum;
}

// One lane for each pixel of the small side; y: channel, z: replica and sample.
@compute @workgroup_size(8, 1, 1)
fn conv_forward_naive(@builtin(global_invocation_id) id: vec3<u32>) {
    let pixels = conv.output_height * conv.output_width;
    if id.x >= pixels { return; }
    let oy = id.x / conv.output_width;
    let ox = id.x % conv.output_width;
    let replica = id.z / conv.batch;
    let taps = conv.kernel_height * conv.kernel_width;
    let w = conv.weight_offset + replica * conv.replica_stride + id.y * conv.inputs * taps;
    var sum = 0.0;
    for (var c = 0u; c < conv.inputs; c++) {
        let plane = (id.z * conv.inputs + c) * conv.input_height;
        for (var i = 0u; i < conv.kernel_height; i++) {
            // Above or left of the image wraps around to a number that is beyond it.
            let y = oy * conv.stride_height + i - conv.pad_top;
            for (var j = 0u; j < conv.kernel_width; j++) {
                let x = ox * conv.stride_width + j - conv.pad_left;
                if y < conv.input_height && x < conv.input_width {
                    sum += source[(plane + y) * conv.input_width + x]
                        * weights[w + c * taps + i * conv.kernel_width + j];
                }
            }
        }
    }
    let at = (id.z * conv.outputs + id.y) * pixels + id.x;
    result[at] = finish(sum, at, id.y, replica);
}

// One lane for each pixel of the large side; y: channel, z: replica and sample.
@compute @workgroup_size(8, 1, 1)
fn conv_backward_input_naive(@builtin(global_invocation_id) id: vec3<u32>) {
    let pixels = conv.input_height * conv.input_width;
    if id.x >= pixels { return; }
    let y = id.x / conv.input_width;
    let x = id.x % conv.input_width;
    let replica = id.z / conv.batch;
    let taps = conv.kernel_height * conv.kernel_width;
    let w = conv.weight_offset + replica * conv.replica_stride + id.y * taps;
    var sum = 0.0;
    for (var o = 0u; o < conv.outputs; o++) {
        let plane = (id.z * conv.outputs + o) * conv.output_height;
        for (var i = 0u; i < conv.kernel_height; i++) {
            let up = y + conv.pad_top - i;
            let oy = up / conv.stride_height;
            for (var j = 0u; j < conv.kernel_width; j++) {
                let across = x + conv.pad_left - j;
                let ox = across / conv.stride_width;
                if up % conv.stride_height == 0u && oy < conv.output_height
                    && across % conv.stride_width == 0u && ox < conv.output_width {
                    sum += source[(plane + oy) * conv.output_width + ox]
                        * weights[w + o * conv.inputs * taps + i * conv.kernel_width + j];
                }
            }
        }
    }
    let at = (id.z * conv.inputs + id.y) * pixels + id.x;
    result[at] = finish(sum, at, id.y, replica);
}

// ---------------------------------------------------------------------------------------------------
// Updates

struct ConvUpdate {
    batch: u32,
    inputs: u32,
    input_height: u32,
    input_width: u32,
    outputs: u32,
    output_height: u32,
    output_width: u32,
    kernel_height: u32,
    kernel_width: u32,
    stride_height: u32,
    stride_width: u32,
    pad_top: u32,
    pad_left: u32,
    weight_offset: u32,
    replica_stride: u32,
    bias_offset: u32,
    // 1: the bias belongs to the small side (a convolution), 2: to the large one (a transposed one).
    bias: u32,
    // As in dense.wgsl.
    steps: u32,
    step: u32,
    rate_scale: f32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    weight_decay: f32,
    // 0: SGD, 1: Adam, 2: AdamW
    optimizer: u32,
}
var<immediate> update: ConvUpdate;

@group(0) @binding(0) var<storage, read> large_side: array<f32>;
@group(0) @binding(1) var<storage, read> small_side: array<f32>;
@group(0) @binding(2) var<storage, read> schedule: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(4) var<storage, read_write> first_moments: array<f32>;
@group(0) @binding(5) var<storage, read_write> second_moments: array<f32>;

// The rules of torch.optim; see dense.wgsl.
fn step_one(element: u32, gradient: f32, now: vec4<f32>) {
    let w = parameters[element];
    let rate = now.w * update.rate_scale;
    if update.optimizer == 0u {
        let m = update.beta1 * first_moments[element] + gradient + update.weight_decay * w;
        first_moments[element] = m;
        parameters[element] = w - rate * m;
        return;
    }
    let decoupled = update.optimizer == 2u;
    let g = gradient + select(update.weight_decay, 0.0, decoupled) * w;
    let m = update.beta1 * first_moments[element] + (1.0 - update.beta1) * g;
    let v = update.beta2 * second_moments[element] + (1.0 - update.beta2) * g * g;
    let decay = select(1.0, 1.0 - rate * update.weight_decay, decoupled);
    first_moments[element] = m;
    second_moments[element] = v;
    parameters[element] = w * decay - now.y * update.rate_scale * m / (sqrt(v) * now.z + update.epsilon);
}

// One lane for each weight; y: channel of the small side, z: replica.
@compute @workgroup_size(8, 1, 1)
fn conv_update_naive(@builtin(global_invocation_id) id: vec3<u32>) {
    let now = schedule[id.z * update.steps + update.step];
    let taps = update.kernel_height * update.kernel_width;
    if id.x >= update.inputs * taps || now.x == 0.0 { return; }
    let c = id.x / taps;
    let i = id.x % taps / update.kernel_width;
    let j = id.x % update.kernel_width;
    var sum = 0.0;
    for (var b = 0u; b < update.batch; b++) {
        let line = id.z * update.batch + b;
        let large = (line * update.inputs + c) * update.input_height;
        let small = (line * update.outputs + id.y) * update.output_height;
        for (var oy = 0u; oy < update.output_height; oy++) {
            let y = oy * update.stride_height + i - update.pad_top;
            for (var ox = 0u; ox < update.output_width; ox++) {
                let x = ox * update.stride_width + j - update.pad_left;
                if y < update.input_height && x < update.input_width {
                    sum += small_side[(small + oy) * update.output_width + ox]
                        * large_side[(large + y) * update.input_width + x];
                }
            }
        }
    }
    let element = update.weight_offset + id.z * update.replica_stride + id.y * update.inputs * taps + id.x;
    step_one(element, sum, now);
}

@group(0) @binding(0) var<storage, read> bias_side: array<f32>;

// One lane for each bias: the sum of its channel's gradient over samples and pixels. `inputs` x
// `input_height` x `input_width` is the shape of the side that the bias belongs to.
@compute @workgroup_size(8, 1, 1)
fn conv_update_bias(@builtin(global_invocation_id) id: vec3<u32>) {
    let now = schedule[id.y * update.steps + update.step];
    if id.x >= update.inputs || now.x == 0.0 { return; }
    var sum = 0.0;
    for (var b = 0u; b < update.batch; b++) {
        let first = ((id.y * update.batch + b) * update.inputs + id.x) * update.input_height;
        // Pixels of a sample are added up first, so that rounding stays small.
        var sample = 0.0;
        for (var y = 0u; y < update.input_height; y++) {
            for (var x = 0u; x < update.input_width; x++) {
                sample += bias_side[(first + y) * update.input_width + x];
            }
        }
        sum += sample;
    }
    step_one(update.bias_offset + id.y * update.replica_stride + id.x, sum, now);
}
