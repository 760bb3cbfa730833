// The weighted average of replicas.

// [R, stride]
@group(0) @binding(0) var<storage, read> values: array<f32>;
@group(0) @binding(1) var<storage, read_write> averaged: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;

struct Average {
    replicas: u32,
    count: u32,
    source_first: u32,
    source_replica: u32,
    destination_first: u32,
}
var<immediate> average: Average;

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
