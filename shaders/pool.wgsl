// Pooling of [R, B, C, H, W] planes, without padding. The place of a window's largest value is not stored
// but found again on the way back: the first of equals, as PyTorch has it.

struct PoolWindows {
    // R * B * C
    planes: u32,
    height: u32,
    width: u32,
    output_height: u32,
    output_width: u32,
    window: u32,
    stride: u32,
    // Of the layer before: its derivative is taken on the way back, from its outputs, which are the inputs here.
    activation: u32,
}
var<immediate> pool: PoolWindows;

@group(0) @binding(0) var<storage, read> inputs: array<f32>;
@group(0) @binding(1) var<storage, read> output_gradients: array<f32>;
@group(0) @binding(2) var<storage, read_write> outputs: array<f32>;

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

// Lanes run over pixels; y counts planes in steps of the grid, since there can be very many.
@compute @workgroup_size(64, 1, 1)
fn max_pool_forward(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let pixels = pool.output_height * pool.output_width;
    if id.x >= pixels { return; }
    let y = id.x / pool.output_width * pool.stride;
    let x = id.x % pool.output_width * pool.stride;
    for (var plane = id.y; plane < pool.planes; plane += groups.y) {
        let first = (plane * pool.height + y) * pool.width + x;
        var largest = inputs[first];
        for (var i = 0u; i < pool.window; i++) {
            for (var j = 0u; j < pool.window; j++) {
                largest = max(largest, inputs[first + i * pool.width + j]);
            }
        }
        outputs[plane * pixels + id.x] = largest;
    }
}

// Which pixel of a window is its largest: the first of equals.
fn largest_of(first: u32) -> u32 {
    var largest = inputs[first];
    var place = first;
    for (var i = 0u; i < pool.window; i++) {
        for (var j = 0u; j < pool.window; j++) {
            let at = first + i * pool.width + j;
            let value = inputs[at];
            if value > largest {
                largest = value;
                place = at;
            }
        }
    }
    return place;
}

// The first and the last window (in one direction) that a pixel can be in.
fn windows(pixel: u32, count: u32) -> vec2<u32> {
    let first = select(0u, (pixel - pool.window) / pool.stride + 1u, pixel >= pool.window);
    return vec2(first, min(pixel / pool.stride + 1u, count));
}

@compute @workgroup_size(64, 1, 1)
fn max_pool_backward(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let pixels = pool.height * pool.width;
    if id.x >= pixels { return; }
    let down = windows(id.x / pool.width, pool.output_height);
    let across = windows(id.x % pool.width, pool.output_width);
    for (var plane = id.y; plane < pool.planes; plane += groups.y) {
        let at = plane * pixels + id.x;
        var sum = 0.0;
        for (var oy = down.x; oy < down.y; oy++) {
            for (var ox = across.x; ox < across.y; ox++) {
                let first = plane * pixels + oy * pool.stride * pool.width + ox * pool.stride;
                let gradient = output_gradients[(plane * pool.output_height + oy) * pool.output_width + ox];
                sum += select(0.0, gradient, largest_of(first) == at);
            }
        }
        outputs[at] = sum * derivative(inputs[at], pool.activation);
    }
}

// Faster where windows lie side by side and cover the plane: lanes run over windows, each of which is looked
// through once, not once for each of its pixels.
@compute @workgroup_size(64, 1, 1)
fn max_pool_backward_tiled(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let windows_ = pool.output_height * pool.output_width;
    if id.x >= windows_ { return; }
    let corner = id.x / pool.output_width * pool.window * pool.width + id.x % pool.output_width * pool.window;
    for (var plane = id.y; plane < pool.planes; plane += groups.y) {
        let first = plane * pool.height * pool.width + corner;
        let place = largest_of(first);
        let gradient = output_gradients[plane * windows_ + id.x];
        let sum = gradient * derivative(inputs[place], pool.activation);
        for (var i = 0u; i < pool.window; i++) {
            for (var j = 0u; j < pool.window; j++) {
                let at = first + i * pool.width + j;
                outputs[at] = select(0.0, sum, at == place);
            }
        }
    }
}

@compute @workgroup_size(64, 1, 1)
fn average_pool_forward(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let pixels = pool.output_height * pool.output_width;
    if id.x >= pixels { return; }
    let y = id.x / pool.output_width * pool.stride;
    let x = id.x % pool.output_width * pool.stride;
    for (var plane = id.y; plane < pool.planes; plane += groups.y) {
        let first = (plane * pool.height + y) * pool.width + x;
        var sum = 0.0;
        for (var i = 0u; i < pool.window; i++) {
            for (var j = 0u; j < pool.window; j++) {
                sum += inputs[first + i * pool.width + j];
            }
        }
        outputs[plane * pixels + id.x] = sum / f32(pool.window * pool.window);
    }
}

@compute @workgroup_size(64, 1, 1)
fn average_pool_backward(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let pixels = pool.height * pool.width;
    if id.x >= pixels { return; }
    let down = windows(id.x / pool.width, pool.output_height);
    let across = windows(id.x % pool.width, pool.output_width);
    for (var plane = id.y; plane < pool.planes; plane += groups.y) {
        let at = plane * pixels + id.x;
        var sum = 0.0;
        for (var oy = down.x; oy < down.y; oy++) {
            for (var ox = across.x; ox < across.y; ox++) {
                sum += output_gradients[(plane * pool.output_height + oy) * pool.output_width + ox];
            }
        }
        outputs[at] = sum / f32(pool.window * pool.window) * derivative(inputs[at], pool.activation);
    }
}
