// Counter-based random numbers: the value at a place depends on the place and the seed alone, so shards,
// replicas and adapters cannot change it. The hash is pcg4d (Jarzynski and Olano, "Hash Functions for GPU
// Rendering", JCGT 9(3), 2020); one multiplication turns its bits into a float, exactly.

struct Random {
    // The shard: `rows` x `columns` with `first_row` rows of the tensor before it.
    rows: u32,
    columns: u32,
    first_row: u32,
    whole_rows: u32,
    // 1: the tensor's own order (PyTorch's) is the transpose of how it lies on the device.
    transposed: u32,
    offset: u32,
    replica_stride: u32,
    // 1: every replica gets the numbers of replica 0.
    shared_start: u32,
    tensor: u32,
    seed: u32,
    // Values are uniform in [-2^23, 2^23) times this.
    scale: f32,
}
var<immediate> random: Random;

@group(0) @binding(0) var<storage, read_write> values: array<f32>;

// begin shared: pcg4d
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

@compute @workgroup_size(64, 1, 1)
fn random_uniform(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let replica = select(id.z, 0u, random.shared_start == 1u);
    for (var i = id.x; i < random.rows * random.columns; i += groups.x * 64u) {
        var index = random.first_row * random.columns + i;
        if random.transposed == 1u {
            index = (i % random.columns) * random.whole_rows + random.first_row + i / random.columns;
        }
        let bits = pcg4d(vec4(index, replica, random.tensor, random.seed)).x;
        values[random.offset + id.z * random.replica_stride + i] =
            f32(i32(bits >> 8u) - 8388608) * random.scale;
    }
}
