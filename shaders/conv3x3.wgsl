// The convolution that most networks are made of: 3x3, stride 1, one pixel of zeros around or none, for CPUs
// whose subgroups have four lanes or more. The kernels are those of conv.wgsl.
//
// Faster: lanes run over pixels and each sums up 4x2 pixels of eight channels. A weight is loaded by one lane of a
// workgroup and broadcast to the others, and a pixel's neighbours come from the lanes beside it,
// so that nearly every instruction is arithmetic. (On lavapipe it is loads that cost.)

// Lanes of a workgroup, which lies in one subgroup: eight, or four, which load the weights of eight channels in two
// turns and the gradients of four outputs in one.
const WIDTH: u32 = 8u;

// The last four where they are eight, and none of their code runs where they are four.
const LANE_4: u32 = 4u % WIDTH;
const LANE_5: u32 = 5u % WIDTH;
const LANE_6: u32 = 6u % WIDTH;
const LANE_7: u32 = 7u % WIDTH;

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
    var before = 0.0;
    var after = 0.0;
    if WIDTH == 8u {
        before = subgroupShuffleUp(middle.w, 1u);
        after = subgroupShuffleDown(middle.x, 1u);
    }
    // Four lanes exchange values one by one on some drivers. And where rows do not end with the pixels of a workgroup,
    // its outer lanes have neighbours in other ones.
    if WIDTH < 8u || GROUP_PIXELS % conv.width != 0u {
        before = select(0.0, source4[at - select(0u, 1u, has_left)].w, inside);
        after = select(0.0, source4[at + select(0u, 1u, has_right)].x, inside);
    }
    before = select(0.0, before, has_left);
    after = select(0.0, after, has_right);
    return Row(vec4(before, middle.xyz), middle, vec4(middle.yzw, after));
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

// Adds a row of the kernel to the sums of four pixels.
fn add_row(sums: vec4<f32>, taps: vec3<f32>, row: Row) -> vec4<f32> {
    return sums + taps.x * row.left + taps.y * row.middle + taps.z * row.right;
}

// Adds what these rows give to two rows of a channel. All nine taps one after the other: sums stay in registers
// meanwhile and wait in memory otherwise, and pixels are read from memory by the instruction that multiplies. (On
// Mesa 25.0.7 that takes 0.74 of what all channels one tap after the other take.)
fn add_channel(
    upper: ptr<function, Tile>, lower: ptr<function, Tile>, channel: u32, taps: Taps, a: Row, b: Row, c: Row, d: Row,
) {
    (*upper)[channel] = add_row(add_row(add_row((*upper)[channel], taps.top, a), taps.middle, b), taps.bottom, c);
    (*lower)[channel] = add_row(add_row(add_row((*lower)[channel], taps.top, b), taps.middle, c), taps.bottom, d);
}

// Does so for as many channels as there are lanes, the weights of which each lane has one channel's.
fn add_channels(
    upper: ptr<function, Tile>, lower: ptr<function, Tile>, first: u32, own: Taps, a: Row, b: Row, c: Row, d: Row,
) {
    let top0 = subgroupBroadcast(own.top, 0u);
    let middle0 = subgroupBroadcast(own.middle, 0u);
    let bottom0 = subgroupBroadcast(own.bottom, 0u);
    add_channel(upper, lower, first + 0u, Taps(top0, middle0, bottom0), a, b, c, d);
    let top1 = subgroupBroadcast(own.top, 1u);
    let middle1 = subgroupBroadcast(own.middle, 1u);
    let bottom1 = subgroupBroadcast(own.bottom, 1u);
    add_channel(upper, lower, first + 1u, Taps(top1, middle1, bottom1), a, b, c, d);
    let top2 = subgroupBroadcast(own.top, 2u);
    let middle2 = subgroupBroadcast(own.middle, 2u);
    let bottom2 = subgroupBroadcast(own.bottom, 2u);
    add_channel(upper, lower, first + 2u, Taps(top2, middle2, bottom2), a, b, c, d);
    let top3 = subgroupBroadcast(own.top, 3u);
    let middle3 = subgroupBroadcast(own.middle, 3u);
    let bottom3 = subgroupBroadcast(own.bottom, 3u);
    add_channel(upper, lower, first + 3u, Taps(top3, middle3, bottom3), a, b, c, d);
    if WIDTH == 8u {
        let top4 = subgroupBroadcast(own.top, LANE_4);
        let middle4 = subgroupBroadcast(own.middle, LANE_4);
        let bottom4 = subgroupBroadcast(own.bottom, LANE_4);
        add_channel(upper, lower, first + LANE_4, Taps(top4, middle4, bottom4), a, b, c, d);
        let top5 = subgroupBroadcast(own.top, LANE_5);
        let middle5 = subgroupBroadcast(own.middle, LANE_5);
        let bottom5 = subgroupBroadcast(own.bottom, LANE_5);
        add_channel(upper, lower, first + LANE_5, Taps(top5, middle5, bottom5), a, b, c, d);
        let top6 = subgroupBroadcast(own.top, LANE_6);
        let middle6 = subgroupBroadcast(own.middle, LANE_6);
        let bottom6 = subgroupBroadcast(own.bottom, LANE_6);
        add_channel(upper, lower, first + LANE_6, Taps(top6, middle6, bottom6), a, b, c, d);
        let top7 = subgroupBroadcast(own.top, LANE_7);
        let middle7 = subgroupBroadcast(own.middle, LANE_7);
        let bottom7 = subgroupBroadcast(own.bottom, LANE_7);
        add_channel(upper, lower, first + LANE_7, Taps(top7, middle7, bottom7), a, b, c, d);
    }
}

// Where the weights of a lane's channel begin, of those that are written.
fn own_weights(replica: u32, channel: u32) -> u32 {
    return conv.weight_offset + replica * conv.replica_stride + min(channel, conv.to_channels - 1u) * conv.to_stride;
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
    let own = own_weights(replica, first_channel + lane);
    let other = own_weights(replica, first_channel + lane + WIDTH);
    var upper: Tile;
    var lower: Tile;
    for (var c = 0u; c < conv.from_channels; c++) {
        let plane = (group.z * conv.from_channels + c) * conv.height;
        let row0 = load_row(plane, y - 1u, x);
        let row1 = load_row(plane, y, x);
        let row2 = load_row(plane, y + 1u, x);
        let row3 = load_row(plane, y + 2u, x);
        add_channels(&upper, &lower, 0u, load_taps(own + c * conv.from_stride), row0, row1, row2, row3);
        if WIDTH < 8u {
            add_channels(&upper, &lower, WIDTH, load_taps(other + c * conv.from_stride), row0, row1, row2, row3);
        }
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
    // A loop, which compilers that unroll do, and others are through with sooner.
    var p: array<f32, 6>;
    for (var i = 0u; i < 6u; i++) { p[i] = load_pixel(row, x + i, inside); }
    let a = vec4(p[0], p[1], p[2], p[3]);
    return Row(a, vec4(a.yzw, p[4]), vec4(a.zw, p[4], p[5]));
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
    let own = own_weights(replica, first_channel + lane);
    let other = own_weights(replica, first_channel + lane + WIDTH);
    let from_x = x - conv.offset;
    let from_y = y - conv.offset;
    var upper: Tile;
    var lower: Tile;
    for (var c = 0u; c < conv.from_channels; c++) {
        let plane = (group.z * conv.from_channels + c) * conv.from_height;
        let row0 = load_windows(plane, from_y, from_x);
        let row1 = load_windows(plane, from_y + 1u, from_x);
        let row2 = load_windows(plane, from_y + 2u, from_x);
        let row3 = load_windows(plane, from_y + 3u, from_x);
        add_channels(&upper, &lower, 0u, load_taps(own + c * conv.from_stride), row0, row1, row2, row3);
        if WIDTH < 8u {
            add_channels(&upper, &lower, WIDTH, load_taps(other + c * conv.from_stride), row0, row1, row2, row3);
        }
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

// Adds the gradients of the first four output channels, eight of each, which one lane has loaded and hands to all.
fn add_first_outputs(
    s0: ptr<function, Kernel>, s1: ptr<function, Kernel>, s2: ptr<function, Kernel>, s3: ptr<function, Kernel>,
    da: vec4<f32>, db: vec4<f32>, r0: Row8, r1: Row8, r2: Row8,
) {
    add_gradient(s0, subgroupBroadcast(da, 0u), subgroupBroadcast(db, 0u), r0, r1, r2);
    add_gradient(s1, subgroupBroadcast(da, 1u), subgroupBroadcast(db, 1u), r0, r1, r2);
    add_gradient(s2, subgroupBroadcast(da, 2u), subgroupBroadcast(db, 2u), r0, r1, r2);
    add_gradient(s3, subgroupBroadcast(da, 3u), subgroupBroadcast(db, 3u), r0, r1, r2);
}

// Those of the last four, where lanes are eight.
fn add_last_outputs(
    s4: ptr<function, Kernel>, s5: ptr<function, Kernel>, s6: ptr<function, Kernel>, s7: ptr<function, Kernel>,
    da: vec4<f32>, db: vec4<f32>, r0: Row8, r1: Row8, r2: Row8,
) {
    add_gradient(s4, subgroupBroadcast(da, LANE_4), subgroupBroadcast(db, LANE_4), r0, r1, r2);
    add_gradient(s5, subgroupBroadcast(da, LANE_5), subgroupBroadcast(db, LANE_5), r0, r1, r2);
    add_gradient(s6, subgroupBroadcast(da, LANE_6), subgroupBroadcast(db, LANE_6), r0, r1, r2);
    add_gradient(s7, subgroupBroadcast(da, LANE_7), subgroupBroadcast(db, LANE_7), r0, r1, r2);
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

// Lanes run over input channels; the gradients of as many output channels are loaded by one lane each and
// broadcast. Rows slide down the image, so that each is loaded once. x: input channels, y: groups of output channels,
// one for each lane, z: replica.
@compute @workgroup_size(WIDTH, 1, 1)
fn conv3x3_weight_gradient(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let input = min(id.x, gradient.inputs - 1u);
    let first_output = group.y * WIDTH;
    let own_output = min(first_output + lane, gradient.outputs - 1u);
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
        let own_plane = (line * gradient.outputs + own_output) * gradient.height;
        for (var x = 0u; x < gradient.width; x += 8u) {
            var above = load_row8(plane, gradient.height, x);
            var here = load_row8(plane, 0u, x);
            for (var y = 0u; y < gradient.height; y++) {
                let below = load_row8(plane, y + 1u, x);
                let at = ((own_plane + y) * gradient.width + x) / 4u;
                let da = output_gradients4[at];
                let db = output_gradients4[at + 1u];
                add_first_outputs(&s0, &s1, &s2, &s3, da, db, above, here, below);
                if WIDTH == 8u { add_last_outputs(&s4, &s5, &s6, &s7, da, db, above, here, below); }
                above = here;
                here = below;
            }
        }
    }
    store_gradient(s0, first_output, id.x, group.z);
    store_gradient(s1, first_output + 1u, id.x, group.z);
    store_gradient(s2, first_output + 2u, id.x, group.z);
    store_gradient(s3, first_output + 3u, id.x, group.z);
    if WIDTH == 8u {
        store_gradient(s4, first_output + 4u, id.x, group.z);
        store_gradient(s5, first_output + 5u, id.x, group.z);
        store_gradient(s6, first_output + 6u, id.x, group.z);
        store_gradient(s7, first_output + 7u, id.x, group.z);
    }
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
    var p: array<f32, 10>;
    for (var i = 0u; i < 10u; i++) { p[i] = load_input(row, x + i, inside); }
    let a = vec4(p[0], p[1], p[2], p[3]);
    let b = vec4(p[4], p[5], p[6], p[7]);
    return Row8(a, b, vec4(a.yzw, b.x), vec4(b.yzw, p[8]), vec4(a.zw, b.xy), vec4(b.zw, p[8], p[9]));
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
    let first_output = group.y * WIDTH;
    let own_output = min(first_output + lane, gradient.outputs - 1u);
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
        let own_plane = (line * gradient.outputs + own_output) * gradient.height;
        for (var x = 0u; x < gradient.width; x += 8u) {
            let from_x = x - gradient.padding;
            var above = load_windows8(plane, 0u - gradient.padding, from_x);
            var here = load_windows8(plane, 1u - gradient.padding, from_x);
            for (var y = 0u; y < gradient.height; y++) {
                let below = load_windows8(plane, y + 2u - gradient.padding, from_x);
                let row = (own_plane + y) * gradient.width;
                let da = load_gradients(row, x);
                let db = load_gradients(row, x + 4u);
                add_first_outputs(&s0, &s1, &s2, &s3, da, db, above, here, below);
                if WIDTH == 8u { add_last_outputs(&s4, &s5, &s6, &s7, da, db, above, here, below); }
                above = here;
                here = below;
            }
        }
    }
    store_gradient(s0, first_output, id.x, group.z);
    store_gradient(s1, first_output + 1u, id.x, group.z);
    store_gradient(s2, first_output + 2u, id.x, group.z);
    store_gradient(s3, first_output + 3u, id.x, group.z);
    if WIDTH == 8u {
        store_gradient(s4, first_output + 4u, id.x, group.z);
        store_gradient(s5, first_output + 5u, id.x, group.z);
        store_gradient(s6, first_output + 6u, id.x, group.z);
        store_gradient(s7, first_output + 7u, id.x, group.z);
    }
}
