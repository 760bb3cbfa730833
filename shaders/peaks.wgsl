// What an adapter does at most, for benches to hold kernels against: arithmetic without memory, and memory without
// arithmetic to speak of.

struct Arithmetic {
    lanes: u32,
    rounds: u32,
    factor: f32,
    summand: f32,
}
var<immediate> arithmetic: Arithmetic;

@group(0) @binding(0) var<storage, read_write> results4: array<vec4<f32>>;

// Sixteen sums in registers, none of which waits for another: x = x * factor + summand, `rounds` times over. Their
// first values are 0 to 15.
@compute @workgroup_size(64, 1, 1)
fn peak_arithmetic(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= arithmetic.lanes { return; }
    let factor = vec4(arithmetic.factor);
    let summand = vec4(arithmetic.summand);
    var a = vec4(0.0, 1.0, 2.0, 3.0);
    var b = vec4(4.0, 5.0, 6.0, 7.0);
    var c = vec4(8.0, 9.0, 10.0, 11.0);
    var d = vec4(12.0, 13.0, 14.0, 15.0);
    for (var round = 0u; round < arithmetic.rounds; round++) {
        a = fma(a, factor, summand);
        b = fma(b, factor, summand);
        c = fma(c, factor, summand);
        d = fma(d, factor, summand);
    }
    results4[id.x] = (a + b) + (c + d);
}

struct Stream {
    // Groups of four values.
    count: u32,
    factor: f32,
}
var<immediate> stream: Stream;

@group(0) @binding(1) var<storage, read> source4: array<vec4<f32>>;

// Each value is read once and written once.
@compute @workgroup_size(256, 1, 1)
fn peak_stream(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= stream.count { return; }
    results4[id.x] = source4[id.x] * stream.factor;
}
