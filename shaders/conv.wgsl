// Convolutions, two-dimensional; one dimension is height 1, and a transposed convolution is the same
// kernels in each other's place.
//
//   forward          y[b, o] = sum over c, i, j of w[o, c, i, j] x[b, c, sy + i - top, sx + j - left]
//   backward_input   dx[b, c] = the same sum seen from x
//   weight_gradient  dw[o, c, i, j] = sum over b, y, x of dy[b, o, y, x] x[b, c, ...]
//
// Activations are [R, B, C, H, W], weights [R, O, C, KH, KW] as PyTorch has them. Nothing is unfolded in
// memory, and zeros around an image are never stored. Each side may be a part of longer lines: it starts at
// element `first` of every line, and lines are `line` elements apart. These are the readable reference, for
// any size, stride and padding; conv3x3.wgsl (CPUs) and conv3x3_tiles.wgsl (GPUs) are written for speed.

// Lanes of a workgroup; on a GPU they are more.
const LANES: u32 = 8u;

// begin shared: epilogues, from dense.wgsl
// What is done to a finished sum.
const EPILOGUE_NONE: u32 = 0u;
const EPILOGUE_FORWARD: u32 = 1u;  // add the bias, apply the activation
const EPILOGUE_BACKWARD: u32 = 2u; // multiply by the derivative of the activation that `gate` came out of
// end shared: epilogues

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

struct ConvPass {
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
    large_first: u32,
    large_line: u32,
    small_first: u32,
    small_line: u32,
    // conv_weight_gradient_naive only: elements of a replica's gradients, and the strips that are added up.
    gradient_stride: u32,
    strip: u32,
    first_strip: u32,
    end_strip: u32,
}
var<immediate> conv: ConvPass;

@group(0) @binding(0) var<storage, read> weights: array<f32>;
@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read> gate: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;

// begin shared: finish_pixel
// From the sum of a pixel to what is stored. `at` is its place in its own tensor.
fn finish_pixel(sum: f32, at: u32, channel: u32, replica: u32) -> f32 {
    if conv.epilogue == EPILOGUE_FORWARD {
        let bias = weights[conv.bias_offset + replica * conv.replica_stride + channel];
        return activate(sum + bias, conv.activation);
    }
    if conv.epilogue == EPILOGUE_BACKWARD {
        return sum * derivative(gate[at], conv.activation);
    }
    return sum;
}
// end shared: finish_pixel

// One lane for each pixel of the small side, or for several where a dispatch has not as many; y: channel,
// z: replica and sample.
@compute @workgroup_size(LANES, 1, 1)
fn conv_forward_naive(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let replica = id.z / conv.batch;
    let taps = conv.kernel_height * conv.kernel_width;
    let w = conv.weight_offset + replica * conv.replica_stride + id.y * conv.inputs * taps;
    let image = conv.large_first + id.z * conv.large_line;
    let pixels = conv.output_height * conv.output_width;
    for (var pixel = id.x; pixel < pixels; pixel += groups.x * LANES) {
        let oy = pixel / conv.output_width;
        let ox = pixel % conv.output_width;
        var sum = 0.0;
        for (var c = 0u; c < conv.inputs; c++) {
            let plane = c * conv.input_height;
            for (var i = 0u; i < conv.kernel_height; i++) {
                // Above or left of the image wraps around to a number that is beyond it.
                let y = oy * conv.stride_height + i - conv.pad_top;
                for (var j = 0u; j < conv.kernel_width; j++) {
                    let x = ox * conv.stride_width + j - conv.pad_left;
                    if y < conv.input_height && x < conv.input_width {
                        sum += source[image + (plane + y) * conv.input_width + x]
                            * weights[w + c * taps + i * conv.kernel_width + j];
                    }
                }
            }
        }
        let at = conv.small_first + id.z * conv.small_line + id.y * pixels + pixel;
        result[at] = finish_pixel(sum, at, id.y, replica);
    }
}

// The same for the large side. Only every stride-th tap reaches a pixel of the small one.
@compute @workgroup_size(LANES, 1, 1)
fn conv_backward_input_naive(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let replica = id.z / conv.batch;
    let taps = conv.kernel_height * conv.kernel_width;
    let w = conv.weight_offset + replica * conv.replica_stride + id.y * taps;
    let image = conv.small_first + id.z * conv.small_line;
    let pixels = conv.input_height * conv.input_width;
    for (var pixel = id.x; pixel < pixels; pixel += groups.x * LANES) {
        let y = pixel / conv.input_width + conv.pad_top;
        let x = pixel % conv.input_width + conv.pad_left;
        // A first tap, and the pixel that it reaches; the next one is a stride on and reaches the pixel
        // before, and what is before the first wraps around to a number that is beyond the image.
        let first_i = y % conv.stride_height;
        let first_j = x % conv.stride_width;
        let last_oy = y / conv.stride_height;
        let last_ox = x / conv.stride_width;
        var sum = 0.0;
        for (var o = 0u; o < conv.outputs; o++) {
            let plane = o * conv.output_height;
            var oy = last_oy;
            for (var i = first_i; i < conv.kernel_height; i += conv.stride_height) {
                var ox = last_ox;
                for (var j = first_j; j < conv.kernel_width; j += conv.stride_width) {
                    if oy < conv.output_height && ox < conv.output_width {
                        sum += source[image + (plane + oy) * conv.output_width + ox]
                            * weights[w + o * conv.inputs * taps + i * conv.kernel_width + j];
                    }
                    ox -= 1u;
                }
                oy -= 1u;
            }
        }
        let at = conv.large_first + id.z * conv.large_line + id.y * pixels + pixel;
        result[at] = finish_pixel(sum, at, id.y, replica);
    }
}

// ---------------------------------------------------------------------------------------------------
// Gradients of weights and biases, [R, gradient_stride]: the weights of a replica, then its biases.
//
// Rows of the small side are cut into strips of at most `strip` pixels. A dispatch adds up some of the strips,
// counted through the samples of a replica: the first one writes, the others add to what is there.

@group(0) @binding(0) var<storage, read> large_side: array<f32>;
@group(0) @binding(1) var<storage, read> small_side: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradients: array<f32>;

// One lane for each weight; y: channel of the small side, z: replica.
@compute @workgroup_size(LANES, 1, 1)
fn conv_weight_gradient_naive(@builtin(global_invocation_id) id: vec3<u32>) {
    let taps = conv.kernel_height * conv.kernel_width;
    if id.x >= conv.inputs * taps { return; }
    let c = id.x / taps;
    let i = id.x % taps / conv.kernel_width;
    let j = id.x % conv.kernel_width;
    let at = id.z * conv.gradient_stride + id.y * conv.inputs * taps + id.x;
    var sum = 0.0;
    if conv.first_strip > 0u { sum = gradients[at]; }
    let strips = (conv.output_width + conv.strip - 1u) / conv.strip;
    // Counted on from strip to strip: divisions are slow.
    var strip = conv.first_strip % strips;
    var oy = conv.first_strip / strips % conv.output_height;
    var line = id.z * conv.batch + conv.first_strip / strips / conv.output_height;
    for (var place = conv.first_strip; place < conv.end_strip; place++) {
        let y = oy * conv.stride_height + i - conv.pad_top;
        let large = conv.large_first + line * conv.large_line
            + (c * conv.input_height + y) * conv.input_width;
        let small = conv.small_first + line * conv.small_line
            + (id.y * conv.output_height + oy) * conv.output_width;
        let first = strip * conv.strip;
        let end = min(first + conv.strip, conv.output_width);
        // The pixels of a strip are added up first, so that rounding stays small.
        var part = 0.0;
        for (var ox = first; ox < end; ox++) {
            let x = ox * conv.stride_width + j - conv.pad_left;
            if y < conv.input_height && x < conv.input_width {
                part += small_side[small + ox] * large_side[large + x];
            }
        }
        sum += part;
        strip += 1u;
        if strip == strips {
            strip = 0u;
            oy += 1u;
            if oy == conv.output_height {
                oy = 0u;
                line += 1u;
            }
        }
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
    first: u32,
    line: u32,
    first_row: u32,
    end_row: u32,
}
var<immediate> bias_gradient: BiasGradient;

@group(0) @binding(0) var<storage, read> bias_side: array<f32>;

// One lane for each bias: the sum of its channel's gradient over samples and pixels.
@compute @workgroup_size(LANES, 1, 1)
fn conv_bias_gradient(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= bias_gradient.channels { return; }
    let at = id.y * bias_gradient.gradient_stride + bias_gradient.gradient_first + id.x;
    var sum = 0.0;
    if bias_gradient.first_row > 0u { sum = gradients[at]; }
    for (var row = bias_gradient.first_row; row < bias_gradient.end_row; row++) {
        let line = id.y * bias_gradient.batch + row / bias_gradient.height;
        let plane = id.x * bias_gradient.height + row % bias_gradient.height;
        let first = bias_gradient.first + line * bias_gradient.line + plane * bias_gradient.width;
        var part = 0.0;
        for (var i = 0u; i < bias_gradient.width; i++) {
            part += bias_side[first + i];
        }
        sum += part;
    }
    gradients[at] = sum;
}

struct PlaneChunks {
    pixels: u32,
    chunk: u32,
    chunks: u32,
    first: u32,
    line: u32,
}
var<immediate> plane_chunks: PlaneChunks;

@group(0) @binding(1) var<storage, read_write> chunk_sums: array<f32>;

// For planes too large for one lane: the sum of each chunk of a plane, [R, B, C, chunks], of which
// conv_bias_gradient then makes the biases' gradients. x: chunk, y: channel, z: replica and sample.
@compute @workgroup_size(LANES, 1, 1)
fn conv_plane_chunks(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    if id.x >= plane_chunks.chunks { return; }
    let plane = plane_chunks.first + id.z * plane_chunks.line + id.y * plane_chunks.pixels;
    let end = min((id.x + 1u) * plane_chunks.chunk, plane_chunks.pixels);
    var sum = 0.0;
    for (var i = id.x * plane_chunks.chunk; i < end; i++) {
        sum += bias_side[plane + i];
    }
    chunk_sums[(id.z * groups.y + id.y) * plane_chunks.chunks + id.x] = sum;
}
