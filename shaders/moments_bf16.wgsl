// What takes the place of section `moments` in the updates of dense layers, for moments of sixteen bits, two to a
// word: the upper halves of f32 (bf16). They have the range of f32, so that no gradient is too small to be squared,
// where f16 ends at 6e-8; and to widen or to round one is a shift, on any adapter.
//
// What eight bits of precision leave out is more than the second moments change by in a step (a thousandth, with a
// beta2 of 0.999): rounded to the nearest, they would stand still. So a moment is rounded to the upper of its
// neighbours as often as it lies near that, and its mean over steps is right. Chance comes from the lower bits of the
// new weight, which no two steps leave alike.
// begin shared: moments_bf16
@group(0) @binding(4) var<storage, read_write> first_moments4: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read_write> second_moments4: array<vec2<u32>>;

fn widened(halves: vec2<u32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(
        vec4(halves.x << 16u, halves.x & 0xffff0000u, halves.y << 16u, halves.y & 0xffff0000u),
    );
}

fn rounded(moments: vec4<f32>, weights: vec4<f32>) -> vec2<u32> {
    let bits = bitcast<vec4<u32>>(moments) + (bitcast<vec4<u32>>(weights) & vec4(0xffffu));
    return (bits.xz >> vec2(16u)) | (bits.yw & vec2(0xffff0000u));
}

// The word with one of its halves replaced.
fn with_half(word: u32, element: u32, moment: f32, weight: f32) -> u32 {
    let upper = (bitcast<u32>(moment) + (bitcast<u32>(weight) & 0xffffu)) & 0xffff0000u;
    return select((word & 0xffff0000u) | (upper >> 16u), (word & 0xffffu) | upper, element % 2u == 1u);
}

fn half_of(word: u32, element: u32) -> f32 {
    return bitcast<f32>(select(word << 16u, word & 0xffff0000u, element % 2u == 1u));
}

fn first_four(place: u32) -> vec4<f32> { return widened(first_moments4[place]); }
fn second_four(place: u32) -> vec4<f32> { return widened(second_moments4[place]); }
fn put_first_four(place: u32, moments: vec4<f32>, weights: vec4<f32>) {
    first_moments4[place] = rounded(moments, weights);
}
fn put_second_four(place: u32, moments: vec4<f32>, weights: vec4<f32>) {
    second_moments4[place] = rounded(moments, weights);
}
fn first_one(element: u32) -> f32 {
    return half_of(first_moments4[element / 4u][element % 4u / 2u], element);
}
fn second_one(element: u32) -> f32 {
    return half_of(second_moments4[element / 4u][element % 4u / 2u], element);
}
fn put_first_one(element: u32, moment: f32, weight: f32) {
    let word = first_moments4[element / 4u][element % 4u / 2u];
    first_moments4[element / 4u][element % 4u / 2u] = with_half(word, element, moment, weight);
}
fn put_second_one(element: u32, moment: f32, weight: f32) {
    let word = second_moments4[element / 4u][element % 4u / 2u];
    second_moments4[element / 4u][element % 4u / 2u] = with_half(word, element, moment, weight);
}
// end shared: moments_bf16
