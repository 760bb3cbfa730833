// Convolutions, two-dimensional; one dimension is height 1, and a transposed convolution is the same
// kernels in each other's place.
//
//   forward          y[b, o] = sum over c, i, j of w[o, c, i, j] x[b, c, sy + i - top, sx + j - left]
//   backward_input   dx[b, c] = the same sum seen from x
//   weight_gradient  dw[o, c, i, j] = sum over b, y, x of dy[b, o, y, x] x[b, c, ...]
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
// Gradients of weights and biases, [R, gradient_stride]: the weights of a replica, then its biases.
//
// A dispatch adds up some of the rows, counted through the samples of a replica: the first one writes, the
// others add to what is there.

struct ConvGradient {
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
    gradient_stride: u32,
    // Rows of the small side.
    first_row: u32,
    end_row: u32,
}
var<immediate> gradient: ConvGradient;

@group(0) @binding(0) var<storage, read> large_side: array<f32>;
@group(0) @binding(1) var<storage, read> small_side: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradients: array<f32>;

// One lane for each weight; y: channel of the small side, z: replica.
@compute @workgroup_size(8, 1, 1)
fn conv_weight_gradient_naive(@builtin(global_invocation_id) id: vec3<u32>) {
    let taps = gradient.kernel_height * gradient.kernel_width;
    if id.x >= gradient.inputs * taps { return; }
    let c = id.x / taps;
    let i = id.x % taps / gradient.kernel_width;
    let j = id.x % gradient.kernel_width;
    let at = id.z * gradient.gradient_stride + id.y * gradient.inputs * taps + id.x;
    var sum = 0.0;
    if gradient.first_row > 0u { sum = gradients[at]; }
    for (var row = gradient.first_row; row < gradient.end_row; row++) {
        let line = id.z * gradient.batch + row / gradient.output_height;
        let oy = row % gradient.output_height;
        let y = oy * gradient.stride_height + i - gradient.pad_top;
        let large = (line * gradient.inputs + c) * gradient.input_height;
        let small = (line * gradient.outputs + id.y) * gradient.output_height;
        // The pixels of a row are added up first, so that rounding stays small.
        var part = 0.0;
        for (var ox = 0u; ox < gradient.output_width; ox++) {
            let x = ox * gradient.stride_width + j - gradient.pad_left;
            if y < gradient.input_height && x < gradient.input_width {
                part += small_side[(small + oy) * gradient.output_width + ox]
                    * large_side[(large + y) * gradient.input_width + x];
            }
        }
        sum += part;
    }
    gradients[at] = sum;
}

struct BiasGradient {
    batch: u32,
    channels: u32,
    height: u32,
    width: u32,
    gradient_first: u32,
    gradient_stride: u32,
    first_row: u32,
    end_row: u32,
}
var<immediate> bias_gradient: BiasGradient;

@group(0) @binding(0) var<storage, read> bias_side: array<f32>;

// One lane for each bias: the sum of its channel's gradient over samples and pixels.
@compute @workgroup_size(8, 1, 1)
fn conv_bias_gradient(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= bias_gradient.channels { return; }
    let at = id.y * bias_gradient.gradient_stride + bias_gradient.gradient_first + id.x;
    var sum = 0.0;
    if bias_gradient.first_row > 0u { sum = gradients[at]; }
    for (var row = bias_gradient.first_row; row < bias_gradient.end_row; row++) {
        let line = id.y * bias_gradient.batch + row / bias_gradient.height;
        let plane = (line * bias_gradient.channels + id.x) * bias_gradient.height;
        let first = (plane + row % bias_gradient.height) * bias_gradient.width;
        var part = 0.0;
        for (var i = 0u; i < bias_gradient.width; i++) {
            part += bias_side[first + i];
        }
        sum += part;
    }
    gradients[at] = sum;
}
