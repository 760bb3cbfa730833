// Fill and copy.

struct Fill {
    first: u32,
    count: u32,
    value: f32,
}
var<immediate> fill_args: Fill;

@group(0) @binding(1) var<storage, read_write> destination: array<f32>;

@compute @workgroup_size(64, 1, 1)
fn fill(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    for (var i = id.x; i < fill_args.count; i += groups.x * 64u) {
        destination[fill_args.first + i] = fill_args.value;
    }
}

// destination[r, i, j] = source[r, i, j] for `rows` x `columns`, each side with its own strides: copies a
// part of a tensor, repeats one replica for all (source_replica = 0), or transposes.
struct Copy {
    rows: u32,
    columns: u32,
    source_first: u32,
    source_replica: u32,
    source_row: u32,
    source_column: u32,
    destination_first: u32,
    destination_replica: u32,
    destination_row: u32,
    destination_column: u32,
}
var<immediate> copy_args: Copy;

@group(0) @binding(0) var<storage, read> source: array<f32>;

@compute @workgroup_size(64, 1, 1)
fn copy(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let from_ = copy_args.source_first + id.z * copy_args.source_replica;
    let to_ = copy_args.destination_first + id.z * copy_args.destination_replica;
    for (var i = id.x; i < copy_args.rows * copy_args.columns; i += groups.x * 64u) {
        let row = i / copy_args.columns;
        let column = i % copy_args.columns;
        destination[to_ + row * copy_args.destination_row + column * copy_args.destination_column] =
            source[from_ + row * copy_args.source_row + column * copy_args.source_column];
    }
}
