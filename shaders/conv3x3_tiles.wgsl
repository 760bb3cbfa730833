// The convolution that most networks are made of, as in conv3x3.wgsl, for GPUs: 3x3, stride 1, one pixel of
// zeros around or none, images of any size. Lanes share what they load through workgroup memory and ask nothing of
// subgroups. Every lane reaches every barrier; what lies beyond an image or its channels is zero or not stored.

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

// Lanes of a workgroup, in every kernel of this file.
const LANES: u32 = 64u;

// ---------------------------------------------------------------------------------------------------
// Products

// begin shared: conv3x3, from conv3x3.wgsl
struct Conv3x3 {
    batch: u32,
    // Of the images that are read.
    from_height: u32,
    from_width: u32,
    // Of those that are written, whose window begins `offset` pixels above and left of the one that is written.
    height: u32,
    width: u32,
    offset: u32,
    // Channels that are read and that are written.
    from_channels: u32,
    to_channels: u32,
    // Weights from one channel to the next, on either side.
    from_stride: u32,
    to_stride: u32,
    // 1: the kernel is turned around, for the way back.
    turned: u32,
    weight_offset: u32,
    replica_stride: u32,
    bias_offset: u32,
    epilogue: u32,
    activation: u32,
}
var<immediate> conv: Conv3x3;
// end shared: conv3x3

@group(0) @binding(0) var<storage, read> weights: array<f32>;
@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read> gate: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;

// Pixels of a tile's side: 16, 8 or 4. A workgroup takes as many samples as make 256 pixels, four for each lane.
const TILE: u32 = 16u;
const SAMPLES: u32 = 4u * LANES / (TILE * TILE);
// Channels that are staged at a time, four as a vector has.
const CHANNELS: u32 = 4u;

// A tile with its halo in workgroup memory. Columns that are four apart lie side by side, as lanes read them,
// and samples begin at places that differ: lanes that run together read from different banks.
const HALO: u32 = TILE + 2u;
const FOURS: u32 = TILE / 4u + 1u;
const ROW: u32 = 4u * FOURS;
const SAMPLE: u32 = HALO * ROW + TILE / 4u % 4u;
const CHANNEL: u32 = SAMPLES * SAMPLE;
var<workgroup> tile: array<f32, CHANNELS * CHANNEL>;

// The weights of eight channels, four to a place, as [CHANNELS, 9, 2].
const KERNEL: u32 = 18u;
var<workgroup> kernels: array<vec4<f32>, CHANNELS * KERNEL>;

// Channels `first` and on of the tile whose first pixel is (x, y), of samples `sample` and on of the replica.
// Where fewer are left, the last one stands for those that are missing, whose values are not used.
fn stage_tile(lane: u32, replica: u32, sample: u32, first: u32, x: u32, y: u32) {
    let plane = conv.from_height * conv.from_width;
    let steps = min(vec3(1u, 2u, 3u), vec3(conv.from_channels - first - 1u)) * plane;
    for (var i = lane; i < SAMPLES * HALO * HALO; i += LANES) {
        let column = i % HALO;
        let row = i / HALO % HALO;
        let b = i / (HALO * HALO);
        // Above or left of the image wraps around to a number that is beyond it.
        let from_x = x + column - conv.offset;
        let from_y = y + row - conv.offset;
        var values = vec4<f32>();
        if from_x < conv.from_width && from_y < conv.from_height && sample + b < conv.batch {
            let line = replica * conv.batch + sample + b;
            let at = (line * conv.from_channels + first) * plane + from_y * conv.from_width + from_x;
            // Four loads on their way at once.
            values = vec4(source[at], source[at + steps.x], source[at + steps.y], source[at + steps.z]);
        }
        let at = b * SAMPLE + row * ROW + column % 4u * FOURS + column / 4u;
        tile[at] = values.x;
        tile[at + CHANNEL] = values.y;
        tile[at + 2u * CHANNEL] = values.z;
        tile[at + 3u * CHANNEL] = values.w;
    }
}

// The sums of channels beyond the last one are not stored.
fn weight(place: u32, channel: u32) -> f32 {
    return weights[place + min(channel, conv.to_channels - 1u) * conv.to_stride];
}

// The weights from channels `first` and on to eight channels.
fn stage_kernels(lane: u32, replica: u32, first: u32, to_first: u32) {
    for (var i = lane; i < CHANNELS * KERNEL; i += LANES) {
        // Lanes beside each other load weights beside each other.
        let half = i / (CHANNELS * 9u);
        let c = i / 9u % CHANNELS;
        let tap = i % 9u;
        let from_channel = min(first + c, conv.from_channels - 1u);
        let place = conv.weight_offset + replica * conv.replica_stride + from_channel * conv.from_stride + tap;
        let channel = to_first + half * 4u;
        let turned = select(tap, 8u - tap, conv.turned == 1u);
        kernels[c * KERNEL + turned * 2u + half] = vec4(
            weight(place, channel), weight(place, channel + 1u),
            weight(place, channel + 2u), weight(place, channel + 3u),
        );
    }
}

// Four pixels of eight channels.
alias Sums = array<vec4<f32>, 8>;

fn add_tap(sums: ptr<function, Sums>, at: u32, pixels: vec4<f32>) {
    let upper = kernels[at];
    let lower = kernels[at + 1u];
    (*sums)[0] += upper.x * pixels;
    (*sums)[1] += upper.y * pixels;
    (*sums)[2] += upper.z * pixels;
    (*sums)[3] += upper.w * pixels;
    (*sums)[4] += lower.x * pixels;
    (*sums)[5] += lower.y * pixels;
    (*sums)[6] += lower.z * pixels;
    (*sums)[7] += lower.w * pixels;
}

// A row of the kernel, whose weights begin at `at`, on the row of the tile that begins at `pixel`.
fn add_row(sums: ptr<function, Sums>, at: u32, pixel: u32) {
    let left = vec4(tile[pixel], tile[pixel + FOURS], tile[pixel + 2u * FOURS], tile[pixel + 3u * FOURS]);
    let right = vec2(tile[pixel + 1u], tile[pixel + FOURS + 1u]);
    add_tap(sums, at, left);
    add_tap(sums, at + 2u, vec4(left.yzw, right.x));
    add_tap(sums, at + 4u, vec4(left.zw, right));
}

// begin shared: finish_pixel, from conv.wgsl
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

// begin shared: store_four
// The four pixels of a channel from (x, y) on.
fn store(sums: vec4<f32>, replica: u32, line: u32, channel: u32, x: u32, y: u32) {
    if channel >= conv.to_channels { return; }
    let at = ((line * conv.to_channels + channel) * conv.height + y) * conv.width + x;
    let pixels = conv.width - x;
    result[at] = finish_pixel(sums.x, at, channel, replica);
    if pixels > 1u { result[at + 1u] = finish_pixel(sums.y, at + 1u, channel, replica); }
    if pixels > 2u { result[at + 2u] = finish_pixel(sums.z, at + 2u, channel, replica); }
    if pixels > 3u { result[at + 3u] = finish_pixel(sums.w, at + 3u, channel, replica); }
}
// end shared: store_four

// Forward, and with the strides exchanged and the kernel turned, the input gradient. A workgroup for each tile
// (x), eight channels (y), and samples of a replica (z).
//
// Faster: a value is loaded from memory once for nine taps and eight channels, and a lane takes 36 loads of
// workgroup memory for 288 multiplications, whose sums stay in registers.
@compute @workgroup_size(LANES, 1, 1)
fn conv3x3_tiles_product(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let parts = (conv.batch + SAMPLES - 1u) / SAMPLES;
    let replica = group.z / parts;
    let sample = group.z % parts * SAMPLES;
    let channel = group.y * 8u;
    let across = (conv.width + TILE - 1u) / TILE;
    let x = group.x % across * TILE;
    let y = group.x / across * TILE;
    // The lane's four pixels.
    let column = lane % (TILE / 4u);
    let row = lane / (TILE / 4u) % TILE;
    let own_sample = lane * 4u / (TILE * TILE);
    let own = own_sample * SAMPLE + row * ROW + column;
    var sums: Sums;
    for (var first = 0u; first < conv.from_channels; first += CHANNELS) {
        stage_tile(lane, replica, sample, first, x, y);
        stage_kernels(lane, replica, first, channel);
        workgroupBarrier();
        let channels = min(CHANNELS, conv.from_channels - first);
        for (var c = 0u; c < channels; c++) {
            add_row(&sums, c * KERNEL, c * CHANNEL + own);
            add_row(&sums, c * KERNEL + 6u, c * CHANNEL + own + ROW);
            add_row(&sums, c * KERNEL + 12u, c * CHANNEL + own + 2u * ROW);
        }
        workgroupBarrier();
    }
    let own_x = x + column * 4u;
    let own_y = y + row;
    if own_x >= conv.width || own_y >= conv.height || sample + own_sample >= conv.batch { return; }
    let line = replica * conv.batch + sample + own_sample;
    store(sums[0], replica, line, channel, own_x, own_y);
    store(sums[1], replica, line, channel + 1u, own_x, own_y);
    store(sums[2], replica, line, channel + 2u, own_x, own_y);
    store(sums[3], replica, line, channel + 3u, own_x, own_y);
    store(sums[4], replica, line, channel + 4u, own_x, own_y);
    store(sums[5], replica, line, channel + 5u, own_x, own_y);
    store(sums[6], replica, line, channel + 6u, own_x, own_y);
    store(sums[7], replica, line, channel + 7u, own_x, own_y);
}

// ---------------------------------------------------------------------------------------------------
// Weight gradient
//
// The images of a replica's samples are cut into strips, and the strips dealt out to chunks. The sums of each
// chunk go to `chunked`, [chunks, R, O, C, 9], where they are added up in their order: the same sums in every run.
// Where the small side is the layer's output, the sums of its channels follow for the biases: the gradients are staged.

struct Gradient3x3Tiles {
    batch: u32,
    // Of the large side, and the pixels of zeros around it.
    input_height: u32,
    input_width: u32,
    padding: u32,
    // Of the small side.
    height: u32,
    width: u32,
    inputs: u32,
    outputs: u32,
    // Elements of `chunked` from one replica, and from one chunk, to the next.
    replica_stride: u32,
    chunk_stride: u32,
    chunks: u32,
    // Strips of a chunk.
    chunk_strips: u32,
    // 1: the biases' gradients too.
    biases: u32,
}
var<immediate> gradient: Gradient3x3Tiles;

@group(0) @binding(0) var<storage, read> inputs: array<f32>;
@group(0) @binding(1) var<storage, read> output_gradients: array<f32>;
@group(0) @binding(2) var<storage, read_write> chunked: array<f32>;

// Channels of either side that a workgroup takes: two for each of eight lanes.
const SIDE: u32 = 16u;
// A strip: rows, and groups of four columns.
const STRIP_ROWS: u32 = 4u;
const STRIP_FOURS: u32 = 4u;
const INPUT_ROWS: u32 = STRIP_ROWS + 2u;
const INPUT_FOURS: u32 = STRIP_FOURS + 1u;
// Places from one channel to the next: odd, so that eight lanes that run together read from different banks.
const INPUT_PLANE: u32 = (INPUT_ROWS * INPUT_FOURS) | 1u;
const OUTPUT_PLANE: u32 = (STRIP_ROWS * STRIP_FOURS) | 1u;
var<workgroup> input_strip: array<vec4<f32>, SIDE * INPUT_PLANE>;
var<workgroup> output_strip: array<vec4<f32>, SIDE * OUTPUT_PLANE>;

// Four columns of a row that begins at `row`; zero where they are beyond the image.
fn load_inputs(row: u32, x: u32) -> vec4<f32> {
    var four = vec4<f32>();
    if x < gradient.input_width { four.x = inputs[row + x]; }
    if x + 1u < gradient.input_width { four.y = inputs[row + x + 1u]; }
    if x + 2u < gradient.input_width { four.z = inputs[row + x + 2u]; }
    if x + 3u < gradient.input_width { four.w = inputs[row + x + 3u]; }
    return four;
}

fn load_output_gradients(row: u32, x: u32) -> vec4<f32> {
    var four = vec4<f32>();
    if x < gradient.width { four.x = output_gradients[row + x]; }
    if x + 1u < gradient.width { four.y = output_gradients[row + x + 1u]; }
    if x + 2u < gradient.width { four.z = output_gradients[row + x + 2u]; }
    if x + 3u < gradient.width { four.w = output_gradients[row + x + 3u]; }
    return four;
}

// The strip from pixel (x, y) on, in channels `first` and on, with its halo.
fn stage_inputs(lane: u32, line: u32, first: u32, x: u32, y: u32) {
    for (var i = lane; i < SIDE * INPUT_ROWS * INPUT_FOURS; i += LANES) {
        let place = i % (INPUT_ROWS * INPUT_FOURS);
        let c = i / (INPUT_ROWS * INPUT_FOURS);
        // Above or left of the image wraps around to a number that is beyond it.
        let from_y = y + place / INPUT_FOURS - gradient.padding;
        let from_x = x + place % INPUT_FOURS * 4u - gradient.padding;
        var four = vec4<f32>();
        if first + c < gradient.inputs && from_y < gradient.input_height {
            let plane = line * gradient.inputs + first + c;
            four = load_inputs((plane * gradient.input_height + from_y) * gradient.input_width, from_x);
        }
        input_strip[c * INPUT_PLANE + place] = four;
    }
}

fn stage_output_gradients(lane: u32, line: u32, first: u32, x: u32, y: u32) {
    for (var i = lane; i < SIDE * STRIP_ROWS * STRIP_FOURS; i += LANES) {
        let place = i % (STRIP_ROWS * STRIP_FOURS);
        let o = i / (STRIP_ROWS * STRIP_FOURS);
        let from_y = y + place / STRIP_FOURS;
        let from_x = x + place % STRIP_FOURS * 4u;
        var four = vec4<f32>();
        if first + o < gradient.outputs && from_y < gradient.height {
            let plane = line * gradient.outputs + first + o;
            four = load_output_gradients((plane * gradient.height + from_y) * gradient.width, from_x);
        }
        output_strip[o * OUTPUT_PLANE + place] = four;
    }
}

// begin shared: pixel_row, from conv3x3.wgsl
// Four pixels of a row as seen by the three columns of the kernel: with their left and right neighbours.
struct Row {
    left: vec4<f32>,
    middle: vec4<f32>,
    right: vec4<f32>,
}
// end shared: pixel_row

fn staged_row(at: u32) -> Row {
    let a = input_strip[at];
    let b = input_strip[at + 1u];
    return Row(a, vec4(a.yzw, b.x), vec4(a.zw, b.xy));
}

// One after the other into the same sum: `dot` would add once more.
fn add_four(sum: f32, a: vec4<f32>, b: vec4<f32>) -> f32 {
    return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

// begin shared: kernel_weights, from conv3x3.wgsl
// The nine weights between one pair of channels.
alias Kernel = array<f32, 9>;
// end shared: kernel_weights

fn add_gradient(sum: ptr<function, Kernel>, d: vec4<f32>, above: Row, here: Row, below: Row) {
    (*sum)[0] = add_four((*sum)[0], d, above.left);
    (*sum)[1] = add_four((*sum)[1], d, above.middle);
    (*sum)[2] = add_four((*sum)[2], d, above.right);
    (*sum)[3] = add_four((*sum)[3], d, here.left);
    (*sum)[4] = add_four((*sum)[4], d, here.middle);
    (*sum)[5] = add_four((*sum)[5], d, here.right);
    (*sum)[6] = add_four((*sum)[6], d, below.left);
    (*sum)[7] = add_four((*sum)[7], d, below.middle);
    (*sum)[8] = add_four((*sum)[8], d, below.right);
}

fn store_gradient(sum: Kernel, first: u32, output: u32, input: u32) {
    if output >= gradient.outputs || input >= gradient.inputs { return; }
    let at = first + (output * gradient.inputs + input) * 9u;
    chunked[at] = sum[0];
    chunked[at + 1u] = sum[1];
    chunked[at + 2u] = sum[2];
    chunked[at + 3u] = sum[3];
    chunked[at + 4u] = sum[4];
    chunked[at + 5u] = sum[5];
    chunked[at + 6u] = sum[6];
    chunked[at + 7u] = sum[7];
    chunked[at + 8u] = sum[8];
}

fn store_bias(sum: vec4<f32>, first: u32, output: u32) {
    if output >= gradient.outputs { return; }
    chunked[first + gradient.outputs * gradient.inputs * 9u + output] = sum.x + sum.y + sum.z + sum.w;
}

// A workgroup for sixteen input channels (x) by sixteen output channels (y), and a chunk of a replica (z).
//
// Faster: a lane takes two by two channels, 14 loads of workgroup memory for 144 multiplications whose sums stay
// in registers, and chunks give a GPU enough workgroups where channels are few.
@compute @workgroup_size(LANES, 1, 1)
fn conv3x3_tiles_weight_gradient(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let replica = group.z / gradient.chunks;
    let chunk = group.z % gradient.chunks;
    let across = (gradient.width + STRIP_FOURS * 4u - 1u) / (STRIP_FOURS * 4u);
    let down = (gradient.height + STRIP_ROWS - 1u) / STRIP_ROWS;
    let first_input = group.x * SIDE;
    let first_output = group.y * SIDE;
    // Of the two channels of either side, the lane's other one is half the workgroup's on.
    let input = lane % 8u;
    let output = lane / 8u;
    var near: Kernel;
    var other_input: Kernel;
    var other_output: Kernel;
    var both: Kernel;
    var bias = vec4<f32>();
    var other_bias = vec4<f32>();
    let end = min((chunk + 1u) * gradient.chunk_strips, gradient.batch * down * across);
    for (var strip = chunk * gradient.chunk_strips; strip < end; strip++) {
        let line = replica * gradient.batch + strip / (down * across);
        let x = strip % across * STRIP_FOURS * 4u;
        let y = strip / across % down * STRIP_ROWS;
        stage_inputs(lane, line, first_input, x, y);
        stage_output_gradients(lane, line, first_output, x, y);
        workgroupBarrier();
        // No further than the image.
        let rows = min(STRIP_ROWS, gradient.height - y);
        let fours = min(STRIP_FOURS, (gradient.width - x + 3u) / 4u);
        for (var row = 0u; row < rows; row++) {
            for (var four = 0u; four < fours; four++) {
                let own = output * OUTPUT_PLANE + row * STRIP_FOURS + four;
                let d = output_strip[own];
                let other_d = output_strip[own + SIDE / 2u * OUTPUT_PLANE];
                bias += d;
                other_bias += other_d;
                let at = input * INPUT_PLANE + row * INPUT_FOURS + four;
                let above = staged_row(at);
                let here = staged_row(at + INPUT_FOURS);
                let below = staged_row(at + 2u * INPUT_FOURS);
                add_gradient(&near, d, above, here, below);
                add_gradient(&other_output, other_d, above, here, below);
                let other = at + SIDE / 2u * INPUT_PLANE;
                let other_above = staged_row(other);
                let other_here = staged_row(other + INPUT_FOURS);
                let other_below = staged_row(other + 2u * INPUT_FOURS);
                add_gradient(&other_input, d, other_above, other_here, other_below);
                add_gradient(&both, other_d, other_above, other_here, other_below);
            }
        }
        workgroupBarrier();
    }
    let first = chunk * gradient.chunk_stride + replica * gradient.replica_stride;
    store_gradient(near, first, first_output + output, first_input + input);
    store_gradient(other_input, first, first_output + output, first_input + input + SIDE / 2u);
    store_gradient(other_output, first, first_output + output + SIDE / 2u, first_input + input);
    store_gradient(both, first, first_output + output + SIDE / 2u, first_input + input + SIDE / 2u);
    if gradient.biases == 1u && first_input + input == 0u {
        store_bias(bias, first, first_output + output);
        store_bias(other_bias, first, first_output + output + SIDE / 2u);
    }
}

struct GradientChunks {
    // Weights of a replica, with their biases where those are there.
    count: u32,
    chunk_stride: u32,
    chunks: u32,
    gradient_stride: u32,
}
var<immediate> gradient_chunks: GradientChunks;

@group(0) @binding(0) var<storage, read> chunk_sums: array<f32>;
@group(0) @binding(1) var<storage, read_write> gradients: array<f32>;

// Adds the chunks up, in their order. x: weights, y: replica.
@compute @workgroup_size(LANES, 1, 1)
fn conv3x3_tiles_gradient_chunks(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let count = gradient_chunks.count;
    for (var i = id.x; i < count; i += groups.x * LANES) {
        var sum = 0.0;
        for (var chunk = 0u; chunk < gradient_chunks.chunks; chunk++) {
            sum += chunk_sums[chunk * gradient_chunks.chunk_stride + id.y * count + i];
        }
        gradients[id.y * gradient_chunks.gradient_stride + i] = sum;
    }
}
