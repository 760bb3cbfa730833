// The convolution that most networks are made of: 3x3, stride 1, one pixel of zeros around or none, for CPUs
// whose subgroups have four lanes or more. The kernels are those of conv.wgsl.
//
// Faster: lanes run over pixels and each keeps 4x2 pixels of eight channels in registers. A weight is loaded
// by one lane of a workgroup and broadcast to the others, and a pixel's neighbours come from the lanes beside it,
// so that nearly every instruction is arithmetic. (On lavapipe it is loads that cost.)

// Lanes of a workgroup, which lies in one subgroup: eight, or four, each of which loads for two channels.
const WIDTH: u32 = 8u;

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

// begin shared: conv3x3
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
@group(0) @binding(1) var<storage, read> source4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gate4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> result4: array<vec4<f32>>;

@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read> gate: array<f32>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;

// Four for each lane.
const GROUP_PIXELS: u32 = 4u * WIDTH;

// Four pixels of eight channels.
alias Tile = array<vec4<f32>, 8>;

// begin shared: pixel_row
// Four pixels of a row as seen by the three columns of the kernel: with their left and right neighbours.
struct Row {
    left: vec4<f32>,
    middle: vec4<f32>,
    right: vec4<f32>,
}
// end shared: pixel_row

fn load_row(plane: u32, y: u32, x: u32) -> Row {
    // Above the image wraps around to a number that is beyond it.
    let inside = y < conv.height;
    let at = ((plane + min(y, conv.height - 1u)) * conv.width + x) / 4u;
    let middle = select(vec4<f32>(), source4[at], inside);
    let has_left = x > 0u;
    let has_right = x + 4u < conv.width;
    var before = subgroupShuffleUp(middle.w, 1u);
    var after = subgroupShuffleDown(middle.x, 1u);
    // Where rows do not end with the pixels of a workgroup, its outer lanes have neighbours in other ones.
    if GROUP_PIXELS % conv.width != 0u {
        before = select(0.0, source4[at - select(0u, 1u, has_left)].w, inside);
        after = select(0.0, source4[at + select(0u, 1u, has_right)].x, inside);
    }
    before = select(0.0, before, has_left);
    after = select(0.0, after, has_right);
    return Row(vec4(before, middle.xyz), middle, vec4(middle.yzw, after));
}

// Lane i holds the weights of channels i and, where lanes are four, i + 4.
fn weight_of(held: vec2<f32>, channel: u32) -> f32 {
    return select(held.x, held.y, channel >= WIDTH);
}

// Adds one tap of the kernel.
fn add_tap(tile: ptr<function, Tile>, held: vec2<f32>, pixels: vec4<f32>) {
    (*tile)[0] += subgroupBroadcast(weight_of(held, 0u), 0u % WIDTH) * pixels;
    (*tile)[1] += subgroupBroadcast(weight_of(held, 1u), 1u % WIDTH) * pixels;
    (*tile)[2] += subgroupBroadcast(weight_of(held, 2u), 2u % WIDTH) * pixels;
    (*tile)[3] += subgroupBroadcast(weight_of(held, 3u), 3u % WIDTH) * pixels;
    (*tile)[4] += subgroupBroadcast(weight_of(held, 4u), 4u % WIDTH) * pixels;
    (*tile)[5] += subgroupBroadcast(weight_of(held, 5u), 5u % WIDTH) * pixels;
    (*tile)[6] += subgroupBroadcast(weight_of(held, 6u), 6u % WIDTH) * pixels;
    (*tile)[7] += subgroupBroadcast(weight_of(held, 7u), 7u % WIDTH) * pixels;
}

fn add_row(tile: ptr<function, Tile>, held: HeldRow, row: Row) {
    add_tap(tile, held.left, row.left);
    add_tap(tile, held.middle, row.middle);
    add_tap(tile, held.right, row.right);
}

// The three rows of a channel's kernel.
struct Taps {
    top: vec3<f32>,
    middle: vec3<f32>,
    bottom: vec3<f32>,
}

fn load_taps(w: u32) -> Taps {
    let top = vec3(weights[w], weights[w + 1u], weights[w + 2u]);
    let middle = vec3(weights[w + 3u], weights[w + 4u], weights[w + 5u]);
    let bottom = vec3(weights[w + 6u], weights[w + 7u], weights[w + 8u]);
    if conv.turned == 1u { return Taps(bottom.zyx, middle.zyx, top.zyx); }
    return Taps(top, middle, bottom);
}

// A row of the kernels of a lane's two channels.
struct HeldRow {
    left: vec2<f32>,
    middle: vec2<f32>,
    right: vec2<f32>,
}

struct HeldTaps {
    top: HeldRow,
    middle: HeldRow,
    bottom: HeldRow,
}

fn held_row(first: vec3<f32>, second: vec3<f32>) -> HeldRow {
    return HeldRow(vec2(first.x, second.x), vec2(first.y, second.y), vec2(first.z, second.z));
}

// The kernels that begin at these weights; the second counts where lanes are four.
fn load_held(w: vec2<u32>) -> HeldTaps {
    let first = load_taps(w.x);
    var second = first;
    if WIDTH < 8u { second = load_taps(w.y); }
    return HeldTaps(
        held_row(first.top, second.top), held_row(first.middle, second.middle), held_row(first.bottom, second.bottom),
    );
}

// Where the weights of a lane's two channels begin, of the eight that are written.
fn held_weights(replica: u32, first_channel: u32, lane: u32) -> vec2<u32> {
    let channels = min(vec2(first_channel) + vec2(lane, lane + WIDTH), vec2(conv.to_channels - 1u));
    return vec2(conv.weight_offset + replica * conv.replica_stride) + channels * conv.to_stride;
}

fn finish(sum: vec4<f32>, at: u32, channel: u32, replica: u32) -> vec4<f32> {
    let a = conv.activation;
    if conv.epilogue == EPILOGUE_FORWARD {
        let y = sum + weights[conv.bias_offset + replica * conv.replica_stride + channel];
        return vec4(activate(y.x, a), activate(y.y, a), activate(y.z, a), activate(y.w, a));
    }
    if conv.epilogue == EPILOGUE_BACKWARD {
        let y = gate4[at];
        return sum * vec4(derivative(y.x, a), derivative(y.y, a), derivative(y.z, a), derivative(y.w, a));
    }
    return sum;
}

// Forward, and with the strides exchanged and the kernel turned, the input gradient. x: pairs of rows in
// groups of four pixels, y: groups of eight channels, z: replica and sample.
@compute @workgroup_size(WIDTH, 1, 1)
fn conv3x3_product(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let replica = group.z / conv.batch;
    let first_channel = group.y * 8u;
    // Lanes beyond the image go along, since the others need the weights that they load.
    let pixels = conv.height / 2u * conv.width;
    let place = min(id.x * 4u, pixels - 4u);
    let x = place % conv.width;
    let y = place / conv.width * 2u;
    let own = held_weights(replica, first_channel, lane);
    var upper: Tile;
    var lower: Tile;
    for (var c = 0u; c < conv.from_channels; c++) {
        let taps = load_held(own + vec2(c * conv.from_stride));
        let plane = (group.z * conv.from_channels + c) * conv.height;
        let row0 = load_row(plane, y - 1u, x);
        add_row(&upper, taps.top, row0);
        let row1 = load_row(plane, y, x);
        add_row(&upper, taps.middle, row1);
        add_row(&lower, taps.top, row1);
        let row2 = load_row(plane, y + 1u, x);
        add_row(&upper, taps.bottom, row2);
        add_row(&lower, taps.middle, row2);
        let row3 = load_row(plane, y + 2u, x);
        add_row(&lower, taps.bottom, row3);
    }
    if id.x * 4u >= pixels { return; }
    for (var i = 0u; i < 8u; i++) {
        let channel = first_channel + i;
        if channel < conv.to_channels {
            let at = (((group.z * conv.to_channels + channel) * conv.height + y) * conv.width + x) / 4u;
            result4[at] = finish(upper[i], at, channel, replica);
            let below = at + conv.width / 4u;
            result4[below] = finish(lower[i], below, channel, replica);
        }
    }
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

// begin shared: store_four, from conv3x3_tiles.wgsl
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

// A pixel of the row that begins at `row`; zero where it is beyond the image.
fn load_pixel(row: u32, x: u32, inside: bool) -> f32 {
    return select(0.0, source[row + min(x, conv.from_width - 1u)], inside && x < conv.from_width);
}

// Four windows of a row, the first of which begins at `x`.
fn load_windows(plane: u32, y: u32, x: u32) -> Row {
    // Above or left of the image wraps around to a number that is beyond it.
    let inside = y < conv.from_height;
    let row = (plane + min(y, conv.from_height - 1u)) * conv.from_width;
    let a = vec4(
        load_pixel(row, x, inside), load_pixel(row, x + 1u, inside),
        load_pixel(row, x + 2u, inside), load_pixel(row, x + 3u, inside),
    );
    let b = vec2(load_pixel(row, x + 4u, inside), load_pixel(row, x + 5u, inside));
    return Row(a, vec4(a.yzw, b.x), vec4(a.zw, b));
}

// The same product between images of any size, with a pixel of zeros around or none: the window begins `offset` pixels
// above and left. Rows of such images begin anywhere, so that pixels are loaded one by one, and tiles end where the
// image does.
@compute @workgroup_size(WIDTH, 1, 1)
fn conv3x3_any_product(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let replica = group.z / conv.batch;
    let first_channel = group.y * 8u;
    // Lanes beyond the image go along, since the others need the weights that they load.
    let across = (conv.width + 3u) / 4u;
    let tiles = (conv.height + 1u) / 2u * across;
    let place = min(id.x, tiles - 1u);
    let x = place % across * 4u;
    let y = place / across * 2u;
    let own = held_weights(replica, first_channel, lane);
    let from_x = x - conv.offset;
    let from_y = y - conv.offset;
    var upper: Tile;
    var lower: Tile;
    for (var c = 0u; c < conv.from_channels; c++) {
        let taps = load_held(own + vec2(c * conv.from_stride));
        let plane = (group.z * conv.from_channels + c) * conv.from_height;
        let row0 = load_windows(plane, from_y, from_x);
        add_row(&upper, taps.top, row0);
        let row1 = load_windows(plane, from_y + 1u, from_x);
        add_row(&upper, taps.middle, row1);
        add_row(&lower, taps.top, row1);
        let row2 = load_windows(plane, from_y + 2u, from_x);
        add_row(&upper, taps.bottom, row2);
        add_row(&lower, taps.middle, row2);
        let row3 = load_windows(plane, from_y + 3u, from_x);
        add_row(&lower, taps.bottom, row3);
    }
    if id.x >= tiles { return; }
    for (var i = 0u; i < 8u; i++) {
        store(upper[i], replica, group.z, first_channel + i, x, y);
        if y + 1u < conv.height { store(lower[i], replica, group.z, first_channel + i, x, y + 1u); }
    }
}

// ---------------------------------------------------------------------------------------------------
// Weight gradient

struct Gradient3x3 {
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
    gradient_stride: u32,
    // The samples of each replica that this dispatch adds up; all but the first add to what is there.
    first_sample: u32,
    end_sample: u32,
}
var<immediate> gradient: Gradient3x3;

@group(0) @binding(0) var<storage, read> inputs: array<f32>;
@group(0) @binding(1) var<storage, read> inputs4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> output_gradients4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> gradients: array<f32>;

@group(0) @binding(2) var<storage, read> output_gradients: array<f32>;

// Eight pixels with their neighbours, as seen by the three columns of the kernel.
struct Row8 {
    left_a: vec4<f32>,
    left_b: vec4<f32>,
    middle_a: vec4<f32>,
    middle_b: vec4<f32>,
    right_a: vec4<f32>,
    right_b: vec4<f32>,
}

fn load_row8(plane: u32, y: u32, x: u32) -> Row8 {
    let inside = y < gradient.height;
    let at = (plane + min(y, gradient.height - 1u)) * gradient.width + x;
    let a = select(vec4<f32>(), inputs4[at / 4u], inside);
    let b = select(vec4<f32>(), inputs4[at / 4u + 1u], inside);
    let has_left = x > 0u;
    let has_right = x + 8u < gradient.width;
    let before = select(0.0, inputs[at - select(0u, 1u, has_left)], inside && has_left);
    let after = select(0.0, inputs[at + select(7u, 8u, has_right)], inside && has_right);
    return Row8(vec4(before, a.xyz), vec4(a.w, b.xyz), a, b, vec4(a.yzw, b.x), vec4(b.yzw, after));
}

// begin shared: kernel_weights
// The nine weights between one pair of channels.
alias Kernel = array<f32, 9>;
// end shared: kernel_weights

fn add_gradient(sum: ptr<function, Kernel>, da: vec4<f32>, db: vec4<f32>, r0: Row8, r1: Row8, r2: Row8) {
    (*sum)[0] += dot(da, r0.left_a) + dot(db, r0.left_b);
    (*sum)[1] += dot(da, r0.middle_a) + dot(db, r0.middle_b);
    (*sum)[2] += dot(da, r0.right_a) + dot(db, r0.right_b);
    (*sum)[3] += dot(da, r1.left_a) + dot(db, r1.left_b);
    (*sum)[4] += dot(da, r1.middle_a) + dot(db, r1.middle_b);
    (*sum)[5] += dot(da, r1.right_a) + dot(db, r1.right_b);
    (*sum)[6] += dot(da, r2.left_a) + dot(db, r2.left_b);
    (*sum)[7] += dot(da, r2.middle_a) + dot(db, r2.middle_b);
    (*sum)[8] += dot(da, r2.right_a) + dot(db, r2.right_b);
}

// Eight gradients of each of a lane's two output channels. Lane i holds those of outputs i and, where lanes are four,
// i + 4.
struct Held8 {
    own_a: vec4<f32>,
    own_b: vec4<f32>,
    other_a: vec4<f32>,
    other_b: vec4<f32>,
}

fn held_a(held: Held8, output: u32) -> vec4<f32> {
    return select(held.own_a, held.other_a, output >= WIDTH);
}

fn held_b(held: Held8, output: u32) -> vec4<f32> {
    return select(held.own_b, held.other_b, output >= WIDTH);
}

// Adds the gradients of eight output channels, each of which one lane hands to all.
fn add_outputs(
    s0: ptr<function, Kernel>, s1: ptr<function, Kernel>, s2: ptr<function, Kernel>, s3: ptr<function, Kernel>,
    s4: ptr<function, Kernel>, s5: ptr<function, Kernel>, s6: ptr<function, Kernel>, s7: ptr<function, Kernel>,
    held: Held8, r0: Row8, r1: Row8, r2: Row8,
) {
    let a0 = subgroupBroadcast(held_a(held, 0u), 0u % WIDTH);
    let b0 = subgroupBroadcast(held_b(held, 0u), 0u % WIDTH);
    add_gradient(s0, a0, b0, r0, r1, r2);
    let a1 = subgroupBroadcast(held_a(held, 1u), 1u % WIDTH);
    let b1 = subgroupBroadcast(held_b(held, 1u), 1u % WIDTH);
    add_gradient(s1, a1, b1, r0, r1, r2);
    let a2 = subgroupBroadcast(held_a(held, 2u), 2u % WIDTH);
    let b2 = subgroupBroadcast(held_b(held, 2u), 2u % WIDTH);
    add_gradient(s2, a2, b2, r0, r1, r2);
    let a3 = subgroupBroadcast(held_a(held, 3u), 3u % WIDTH);
    let b3 = subgroupBroadcast(held_b(held, 3u), 3u % WIDTH);
    add_gradient(s3, a3, b3, r0, r1, r2);
    let a4 = subgroupBroadcast(held_a(held, 4u), 4u % WIDTH);
    let b4 = subgroupBroadcast(held_b(held, 4u), 4u % WIDTH);
    add_gradient(s4, a4, b4, r0, r1, r2);
    let a5 = subgroupBroadcast(held_a(held, 5u), 5u % WIDTH);
    let b5 = subgroupBroadcast(held_b(held, 5u), 5u % WIDTH);
    add_gradient(s5, a5, b5, r0, r1, r2);
    let a6 = subgroupBroadcast(held_a(held, 6u), 6u % WIDTH);
    let b6 = subgroupBroadcast(held_b(held, 6u), 6u % WIDTH);
    add_gradient(s6, a6, b6, r0, r1, r2);
    let a7 = subgroupBroadcast(held_a(held, 7u), 7u % WIDTH);
    let b7 = subgroupBroadcast(held_b(held, 7u), 7u % WIDTH);
    add_gradient(s7, a7, b7, r0, r1, r2);
}

// The output channels whose gradients a lane loads, of the eight from `first_output` on.
fn held_outputs(first_output: u32, lane: u32) -> vec2<u32> {
    return min(vec2(first_output) + vec2(lane, lane + WIDTH), vec2(gradient.outputs - 1u));
}

fn add_up(at: u32, sum: f32) {
    var before = 0.0;
    if gradient.first_sample > 0u { before = gradients[at]; }
    gradients[at] = before + sum;
}

fn store_gradient(sum: Kernel, output: u32, input: u32, replica: u32) {
    if output < gradient.outputs && input < gradient.inputs {
        let at = replica * gradient.gradient_stride + (output * gradient.inputs + input) * 9u;
        add_up(at, sum[0]);
        add_up(at + 1u, sum[1]);
        add_up(at + 2u, sum[2]);
        add_up(at + 3u, sum[3]);
        add_up(at + 4u, sum[4]);
        add_up(at + 5u, sum[5]);
        add_up(at + 6u, sum[6]);
        add_up(at + 7u, sum[7]);
        add_up(at + 8u, sum[8]);
    }
}

// Lanes run over input channels; the gradients of eight output channels are loaded by one lane each and
// broadcast. Rows slide down the image, so that each is loaded once. x: input channels, y: groups of eight
// output channels, z: replica.
@compute @workgroup_size(WIDTH, 1, 1)
fn conv3x3_weight_gradient(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let input = min(id.x, gradient.inputs - 1u);
    let first_output = group.y * 8u;
    let own_outputs = held_outputs(first_output, lane);
    var s0: Kernel;
    var s1: Kernel;
    var s2: Kernel;
    var s3: Kernel;
    var s4: Kernel;
    var s5: Kernel;
    var s6: Kernel;
    var s7: Kernel;
    for (var b = gradient.first_sample; b < gradient.end_sample; b++) {
        let line = group.z * gradient.batch + b;
        let plane = (line * gradient.inputs + input) * gradient.height;
        let own_planes = (line * gradient.outputs + own_outputs) * gradient.height;
        for (var x = 0u; x < gradient.width; x += 8u) {
            var above = load_row8(plane, gradient.height, x);
            var here = load_row8(plane, 0u, x);
            for (var y = 0u; y < gradient.height; y++) {
                let below = load_row8(plane, y + 1u, x);
                let at = ((own_planes + y) * gradient.width + x) / 4u;
                let da = output_gradients4[at.x];
                let db = output_gradients4[at.x + 1u];
                var ea = da;
                var eb = db;
                if WIDTH < 8u {
                    ea = output_gradients4[at.y];
                    eb = output_gradients4[at.y + 1u];
                }
                add_outputs(&s0, &s1, &s2, &s3, &s4, &s5, &s6, &s7, Held8(da, db, ea, eb), above, here, below);
                above = here;
                here = below;
            }
        }
    }
    store_gradient(s0, first_output, id.x, group.z);
    store_gradient(s1, first_output + 1u, id.x, group.z);
    store_gradient(s2, first_output + 2u, id.x, group.z);
    store_gradient(s3, first_output + 3u, id.x, group.z);
    store_gradient(s4, first_output + 4u, id.x, group.z);
    store_gradient(s5, first_output + 5u, id.x, group.z);
    store_gradient(s6, first_output + 6u, id.x, group.z);
    store_gradient(s7, first_output + 7u, id.x, group.z);
}

// A pixel of the row that begins at `row`; zero where it is beyond the image.
fn load_input(row: u32, x: u32, inside: bool) -> f32 {
    return select(0.0, inputs[row + min(x, gradient.input_width - 1u)], inside && x < gradient.input_width);
}

// Eight windows of row `y` of the large side, the first of which begins at `x`.
fn load_windows8(plane: u32, y: u32, x: u32) -> Row8 {
    // Above or left of the image wraps around to a number that is beyond it.
    let inside = y < gradient.input_height;
    let row = (plane + min(y, gradient.input_height - 1u)) * gradient.input_width;
    let a = vec4(
        load_input(row, x, inside), load_input(row, x + 1u, inside),
        load_input(row, x + 2u, inside), load_input(row, x + 3u, inside),
    );
    let b = vec4(
        load_input(row, x + 4u, inside), load_input(row, x + 5u, inside),
        load_input(row, x + 6u, inside), load_input(row, x + 7u, inside),
    );
    let c = vec2(load_input(row, x + 8u, inside), load_input(row, x + 9u, inside));
    return Row8(a, b, vec4(a.yzw, b.x), vec4(b.yzw, c.x), vec4(a.zw, b.xy), vec4(b.zw, c));
}

// Four gradients of the row that begins at `row`; zero where they are beyond the image.
fn load_gradients(row: u32, x: u32) -> vec4<f32> {
    let last = gradient.width - 1u;
    let four = vec4(
        output_gradients[row + min(x, last)], output_gradients[row + min(x + 1u, last)],
        output_gradients[row + min(x + 2u, last)], output_gradients[row + min(x + 3u, last)],
    );
    return select(vec4<f32>(), four, vec4(x, x + 1u, x + 2u, x + 3u) < vec4(gradient.width));
}

// The same for images of any size, with a pixel of zeros around or none.
@compute @workgroup_size(WIDTH, 1, 1)
fn conv3x3_any_weight_gradient(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let input = min(id.x, gradient.inputs - 1u);
    let first_output = group.y * 8u;
    let own_outputs = held_outputs(first_output, lane);
    var s0: Kernel;
    var s1: Kernel;
    var s2: Kernel;
    var s3: Kernel;
    var s4: Kernel;
    var s5: Kernel;
    var s6: Kernel;
    var s7: Kernel;
    for (var b = gradient.first_sample; b < gradient.end_sample; b++) {
        let line = group.z * gradient.batch + b;
        let plane = (line * gradient.inputs + input) * gradient.input_height;
        let own_planes = (line * gradient.outputs + own_outputs) * gradient.height;
        for (var x = 0u; x < gradient.width; x += 8u) {
            let from_x = x - gradient.padding;
            var above = load_windows8(plane, 0u - gradient.padding, from_x);
            var here = load_windows8(plane, 1u - gradient.padding, from_x);
            for (var y = 0u; y < gradient.height; y++) {
                let below = load_windows8(plane, y + 2u - gradient.padding, from_x);
                let rows = (own_planes + y) * gradient.width;
                let da = load_gradients(rows.x, x);
                let db = load_gradients(rows.x, x + 4u);
                var ea = da;
                var eb = db;
                if WIDTH < 8u {
                    ea = load_gradients(rows.y, x);
                    eb = load_gradients(rows.y, x + 4u);
                }
                add_outputs(&s0, &s1, &s2, &s3, &s4, &s5, &s6, &s7, Held8(da, db, ea, eb), above, here, below);
                above = here;
                here = below;
            }
        }
    }
    store_gradient(s0, first_output, id.x, group.z);
    store_gradient(s1, first_output + 1u, id.x, group.z);
    store_gradient(s2, first_output + 2u, id.x, group.z);
    store_gradient(s3, first_output + 3u, id.x, group.z);
    store_gradient(s4, first_output + 4u, id.x, group.z);
    store_gradient(s5, first_output + 5u, id.x, group.z);
    store_gradient(s6, first_output + 6u, id.x, group.z);
    store_gradient(s7, first_output + 7u, id.x, group.z);
}
