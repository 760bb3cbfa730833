// What a strategy adds to each step of local training, after the optimiser's.

struct Addition {
    // Weights of a replica with its padding, in fours.
    quads: u32,
    // From one replica's start to the next one's, in fours; 0 where all begin alike.
    start_quads: u32,
    // The schedule, as in dense_update.wgsl.
    steps: u32,
    step: u32,
}
var<immediate> addition: Addition;

@group(0) @binding(0) var<storage, read> schedule: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> pulls: array<f32>;
@group(0) @binding(2) var<storage, read> starts: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> corrections: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> parameters: array<vec4<f32>>;

@compute @workgroup_size(64, 1, 1)
fn drift_apply(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    // A replica that rests in this step stays where it is.
    if schedule[id.y * addition.steps + addition.step].x == 0.0 { return; }
    let pull = pulls[id.y];
    for (var i = id.x; i < addition.quads; i += groups.x * 64u) {
        let at = id.y * addition.quads + i;
        let w = parameters[at];
        parameters[at] = w - (pull * (w - starts[id.y * addition.start_quads + i]) + corrections[at]);
    }
}
