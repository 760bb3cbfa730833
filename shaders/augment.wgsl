// Batch gather of u8 images with seeded changes on the way: flipped, shifted, made grey. What happens to a
// sample depends on its place in the epoch, the epoch, whose data it is of and the seed alone, on no place among the
// replicas; the hash is that of random.wgsl.

// begin shared: nothing, from gather.wgsl
// The number of a place of a batch that is left empty.
const NOTHING: u32 = 0xffffffffu;
// end shared: nothing

struct Augment {
    batch: u32,
    steps: u32,
    step: u32,
    channels: u32,
    height: u32,
    width: u32,
    // The samples of this shard.
    first: u32,
    count: u32,
    seed: u32,
    // 1: mirror every other image.
    flip: u32,
    // Zeros that are put around an image before an image of the old size is cut out anywhere.
    pad: u32,
    // 1: replace three channels by their luma.
    grayscale: u32,
}
var<immediate> augment: Augment;

@group(0) @binding(0) var<storage, read> index: array<u32>;
// Four values of a byte each, the lowest byte first.
@group(0) @binding(1) var<storage, read> bytes: array<u32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
// For each channel: factor and summand that turn a byte into a standardised value.
@group(0) @binding(3) var<storage, read> scales: array<vec2<f32>>;
// Place in the epoch of the first sample of step 0, the number of the epoch, and for each replica the number of
// whose data it trains on.
@group(0) @binding(4) var<storage, read> epoch: array<u32>;
@group(0) @binding(5) var<storage, read_write> batch_labels: array<u32>;
@group(0) @binding(6) var<storage, read_write> samples: array<f32>;

// begin shared: pcg4d, from random.wgsl
fn pcg4d(place: vec4<u32>) -> vec4<u32> {
    var v = place * 1664525u + 1013904223u;
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    v ^= v >> vec4(16u);
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    return v;
}
// end shared: pcg4d

fn byte_at(place: u32) -> f32 {
    return f32((bytes[place / 4u] >> (8u * (place % 4u))) & 0xffu);
}

// One lane for each pixel, all channels; y: sample, z: replica.
@compute @workgroup_size(64, 1, 1)
fn augment_images(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    let pixels = augment.height * augment.width;
    if id.x >= pixels { return; }
    let line = group.z * augment.batch + group.y;
    let sample = index[(group.z * augment.steps + augment.step) * augment.batch + group.y];
    let here = sample >= augment.first && sample - augment.first < augment.count;
    let cleared = sample == NOTHING && augment.first == 0u;
    if !here && !cleared { return; }
    if id.x == 0u {
        let local = select(0u, sample - augment.first, here);
        let label = (labels[local / 4u] >> (8u * (local % 4u))) & 0xffu;
        batch_labels[line] = select(NOTHING, label, here);
    }
    let place = epoch[0] + augment.step * augment.batch + group.y;
    let bits = pcg4d(vec4(place, epoch[2u + group.z], epoch[1], augment.seed)).x;
    let places = 2u * augment.pad + 1u;
    let y = id.x / augment.width;
    let flipped = augment.flip == 1u && (bits & 1u) == 1u;
    let x = select(id.x % augment.width, augment.width - 1u - id.x % augment.width, flipped);
    // Beyond the image on the near side wraps around to a number that is beyond it on the far side.
    let from_y = y + (bits >> 8u) % places - augment.pad;
    let from_x = x + (bits >> 16u) % places - augment.pad;
    let inside = here && from_y < augment.height && from_x < augment.width;
    let image = select(0u, (sample - augment.first) * augment.channels * pixels, here);
    let at = image + select(0u, from_y * augment.width + from_x, inside);
    for (var c = 0u; c < augment.channels; c++) {
        var value: f32;
        if augment.grayscale == 1u {
            value = 0.299 * byte_at(at) + 0.587 * byte_at(at + pixels) + 0.114 * byte_at(at + 2u * pixels);
        } else {
            value = byte_at(at + c * pixels);
        }
        let scale = scales[c];
        samples[(line * augment.channels + c) * pixels + id.x] = select(0.0, value * scale.x + scale.y, inside);
    }
}
