// Batch gather: from what lies on the device (u8 images, f32 rows) to the batch of this step.
//
// `index` holds [R, steps, B] sample numbers; NOTHING marks a place that is left empty, in a last batch
// that is not full or for a collaborator with fewer samples. A data set larger than one binding is cut
// by samples: each dispatch fills in the samples of its shard, and the first also clears empty places.

// begin shared: nothing
// The number of a place of a batch that is left empty.
const NOTHING: u32 = 0xffffffffu;
// end shared: nothing

struct Gather {
    batch: u32,
    steps: u32,
    step: u32,
    // Values per sample, and how many of them share a channel's scale.
    width: u32,
    channel_width: u32,
    // The samples of this shard.
    first: u32,
    count: u32,
    // gather_rows: rows from one replica's data to the next's; 0 where all share one data set.
    replica_rows: u32,
    // gather_rows: where a shard of the rows goes in lines of the batch, and how wide those are.
    column: u32,
    line: u32,
}
var<immediate> gather: Gather;

@group(0) @binding(0) var<storage, read> index: array<u32>;
// Four values of a byte each, the lowest byte first.
@group(0) @binding(1) var<storage, read> bytes: array<u32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
// For each channel: factor and summand that turn a byte into a standardised value.
@group(0) @binding(3) var<storage, read> scales: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> batch_labels: array<u32>;
@group(0) @binding(5) var<storage, read_write> samples: array<f32>;
@group(0) @binding(5) var<storage, read_write> samples4: array<vec4<f32>>;

fn sample_at(replica: u32, place: u32) -> u32 {
    return index[(replica * gather.steps + gather.step) * gather.batch + place];
}

fn write_label(line: u32, sample: u32) {
    let local = sample - gather.first;
    batch_labels[line] = (labels[local / 4u] >> (8u * (local % 4u))) & 0xffu;
}

fn here(sample: u32) -> bool {
    return sample >= gather.first && sample - gather.first < gather.count;
}

// x[r, b, i] = byte * factor + summand, for any image size.
@compute @workgroup_size(64, 1, 1)
fn gather_images_naive(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= gather.width { return; }
    let line = id.z * gather.batch + id.y;
    let sample = sample_at(id.z, id.y);
    if here(sample) {
        let at = (sample - gather.first) * gather.width + id.x;
        let scale = scales[id.x / gather.channel_width];
        let value = (bytes[at / 4u] >> (8u * (at % 4u))) & 0xffu;
        samples[line * gather.width + id.x] = f32(value) * scale.x + scale.y;
        if id.x == 0u { write_label(line, sample); }
    } else if sample == NOTHING && gather.first == 0u {
        samples[line * gather.width + id.x] = 0.0;
        if id.x == 0u { batch_labels[line] = NOTHING; }
    }
}

// Faster: four values of one channel from one word, and channel after channel, so that nothing is divided (which
// took most of the time on lavapipe). Needs channels whose widths are multiples of four.
@compute @workgroup_size(64, 1, 1)
fn gather_images(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    let width4 = gather.width / 4u;
    let channel4 = gather.channel_width / 4u;
    if id.x >= channel4 { return; }
    let line = group.z * gather.batch + group.y;
    let sample = sample_at(group.z, group.y);
    if here(sample) {
        let first = (sample - gather.first) * width4;
        var channel = 0u;
        for (var at = id.x; at < width4; at += channel4) {
            let word = bytes[first + at];
            let scale = scales[channel];
            let value = vec4<f32>((vec4(word) >> vec4(0u, 8u, 16u, 24u)) & vec4(0xffu));
            samples4[line * width4 + at] = value * scale.x + scale.y;
            channel += 1u;
        }
        if id.x == 0u { write_label(line, sample); }
    } else if sample == NOTHING && gather.first == 0u {
        for (var at = id.x; at < width4; at += channel4) {
            samples4[line * width4 + at] = vec4<f32>();
        }
        if id.x == 0u { batch_labels[line] = NOTHING; }
    }
}

@group(0) @binding(1) var<storage, read> rows: array<f32>;

// x[r, b, n] = rows[r, index, n]: a batch of snapshots, one shard of their width at a time, into lines that
// are cut alike or whole. A workgroup
// is wide because a snapshot is: 550,570 values in eights would be more workgroups than a device allows.
@compute @workgroup_size(64, 1, 1)
fn gather_rows(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    if id.x >= gather.width { return; }
    let line = group.z * gather.batch + group.y;
    let sample = sample_at(group.z, group.y);
    var value = 0.0;
    if sample != NOTHING {
        value = rows[(group.z * gather.replica_rows + sample) * gather.width + id.x];
    }
    samples[line * gather.line + gather.column + id.x] = value;
    if id.x == 0u { batch_labels[line] = sample; }
}
