// Sum, mean, variance, smallest and largest of rows, and the weighted average of replicas.

// Lanes of a workgroup; on a GPU they are more.
const LANES: u32 = 8u;

struct Reduce {
    rows: u32,
    width: u32,
    chunk: u32,
}
var<immediate> reduce: Reduce;

// [rows, width]
@group(0) @binding(0) var<storage, read> values: array<f32>;
// [rows, chunks, 4]: mean, sum of squared deviations from it, smallest, largest.
@group(0) @binding(1) var<storage, read_write> chunk_moments: array<vec4<f32>>;

// Deviations are taken from the chunk's own mean: a sum of squares minus a squared sum would cancel.
@compute @workgroup_size(LANES, 1, 1)
fn reduce_chunks(@builtin(global_invocation_id) id: vec3<u32>) {
    let chunks = (reduce.width + reduce.chunk - 1u) / reduce.chunk;
    if id.x >= chunks { return; }
    let row = id.y * reduce.width;
    let start = id.x * reduce.chunk;
    let end = min(start + reduce.chunk, reduce.width);
    var sum = 0.0;
    var smallest = values[row + start];
    var largest = smallest;
    for (var i = start; i < end; i++) {
        let value = values[row + i];
        sum += value;
        smallest = min(smallest, value);
        largest = max(largest, value);
    }
    let mean = sum / f32(end - start);
    var squares = 0.0;
    for (var i = start; i < end; i++) {
        let deviation = values[row + i] - mean;
        squares += deviation * deviation;
    }
    chunk_moments[id.y * chunks + id.x] = vec4(mean, squares, smallest, largest);
}

@group(0) @binding(0) var<storage, read> moments: array<vec4<f32>>;
// [rows, 5]: sum, mean, population variance, smallest, largest.
@group(0) @binding(1) var<storage, read_write> reduced: array<f32>;

// Merges the chunks of a row (Chan, Golub and LeVeque 1979, equation 2.1).
@compute @workgroup_size(LANES, 1, 1)
fn reduce_finish(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= reduce.rows { return; }
    let chunks = (reduce.width + reduce.chunk - 1u) / reduce.chunk;
    var merged = moments[id.x * chunks];
    var count = f32(min(reduce.chunk, reduce.width));
    for (var chunk = 1u; chunk < chunks; chunk++) {
        let next = moments[id.x * chunks + chunk];
        let more = f32(min((chunk + 1u) * reduce.chunk, reduce.width) - chunk * reduce.chunk);
        let difference = next.x - merged.x;
        let all = count + more;
        merged = vec4(
            merged.x + difference * more / all,
            merged.y + next.y + difference * difference * count * more / all,
            min(merged.z, next.z),
            max(merged.w, next.w),
        );
        count = all;
    }
    let first = id.x * 5u;
    reduced[first] = merged.x * count;
    reduced[first + 1u] = merged.x;
    reduced[first + 2u] = merged.y / count;
    reduced[first + 3u] = merged.z;
    reduced[first + 4u] = merged.w;
}

struct Average {
    replicas: u32,
    count: u32,
    source_first: u32,
    source_replica: u32,
    destination_first: u32,
}
var<immediate> average: Average;

@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(1) var<storage, read_write> averaged: array<f32>;

// averaged[i] = sum over r of weights[r] values[r, i] / sum over r of weights[r]: FedAvg's average
// (McMahan et al. 2017, algorithm 1).
@compute @workgroup_size(64, 1, 1)
fn average_replicas(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    var total = 0.0;
    for (var r = 0u; r < average.replicas; r++) {
        total += weights[r];
    }
    for (var i = id.x; i < average.count; i += groups.x * 64u) {
        var sum = 0.0;
        for (var r = 0u; r < average.replicas; r++) {
            sum += weights[r] * values[average.source_first + r * average.source_replica + i];
        }
        averaged[average.destination_first + i] = sum / total;
    }
}
