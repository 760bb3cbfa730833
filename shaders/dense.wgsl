// Dense layers.
//
// A layer's matrix lies on the device as N rows of K columns, K contiguous: [R, N, K] with R replicas.
// Rows are the outputs where the layer is stored as PyTorch stores it ([O, I]), and the inputs where a
// wide layer is stored the other way round ([I, O]), so that the short side is always contiguous.
// Either way there are three products, and with them everything a dense layer does:
//
//   rows_dot     a[b, n] = sum over k of c[b, k] w[n, k]    forward  if rows are outputs, else input gradient
//   rows_sum     c[b, k] = sum over n of a[b, n] w[n, k]    input gradient if rows are outputs, else forward
//   update       w[n, k] -= optimiser(sum over b of a[b, n] c[b, k])    dense_update.wgsl
//
// `a` is the row side [R, B, N] and `c` the column side [R, B, K]. A matrix too large for one binding is
// cut by rows; each dispatch sees one shard of w and the matching shard of a.
//
// Kernels named `..._naive` are the readable reference and take any shape. The others need K, the
// offsets and the strides to be multiples of four, and keep a tile of results in registers.

// Lanes of a workgroup; on a GPU they are more.
const LANES: u32 = 8u;
// Register tiles; the host replaces the values to make variants.
const TILE_ROWS: u32 = 5u;
const TILE_BATCH: u32 = 8u;
const SAMPLE_CELLS: u32 = 4u;

// begin shared: epilogues
// What is done to a finished sum.
const EPILOGUE_NONE: u32 = 0u;
const EPILOGUE_FORWARD: u32 = 1u;  // add the bias, apply the activation
const EPILOGUE_BACKWARD: u32 = 2u; // multiply by the derivative of the activation that `gate` came out of
// end shared: epilogues

// begin shared: bias_sides
// Where the bias runs.
const BIAS_NONE: u32 = 0u;
const BIAS_ROWS: u32 = 1u;
const BIAS_COLUMNS: u32 = 2u;
// end shared: bias_sides

// begin shared: activations
// What follows a layer's sums, by number.
const ACTIVATION_RELU: u32 = 1u;
const ACTIVATION_TANH: u32 = 2u;
const ACTIVATION_SIGMOID: u32 = 3u;
// end shared: activations

// begin shared: activate
fn activate(x: f32, activation: u32) -> f32 {
    switch activation {
        case ACTIVATION_RELU: { return max(x, 0.0); }
        // Some drivers' tanh overflows for large arguments; beyond 15 it is 1 in f32 anyway.
        case ACTIVATION_TANH: { return tanh(clamp(x, -15.0, 15.0)); }
        case ACTIVATION_SIGMOID: { return 1.0 / (1.0 + exp(-x)); }
        default: { return x; }
    }
}
// end shared: activate

// begin shared: derivative
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

// begin shared: product
struct Product {
    batch: u32,
    // The rows of this shard, and where they lie in the row side: its width and the first row's place.
    rows: u32,
    row_side_width: u32,
    row_side_first: u32,
    columns: u32,
    // Element where replica 0's matrix begins, and elements from one replica to the next.
    weight_offset: u32,
    replica_stride: u32,
    // Element where replica 0's bias begins.
    bias_offset: u32,
    bias: u32,
    epilogue: u32,
    activation: u32,
    // rows_sum only: rows per chunk, the number of this dispatch's first chunk, and replicas. With more
    // than one chunk in all, chunk sums go to `sums` as [chunks, R, B, K], for dense_finish to add up.
    chunk_rows: u32,
    first_chunk: u32,
    chunks: u32,
    replicas: u32,
    // residual only: steps that the schedule holds, this one's number, and the width of the whole output.
    steps: u32,
    step: u32,
    whole_width: u32,
}
var<immediate> product: Product;
// end shared: product

@group(0) @binding(0) var<storage, read> weights: array<f32>;
@group(0) @binding(0) var<storage, read> weights4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> row_side: array<f32>;
@group(0) @binding(1) var<storage, read> column_side: array<f32>;
@group(0) @binding(1) var<storage, read> column_side4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gate: array<f32>;
@group(0) @binding(3) var<storage, read_write> sums: array<f32>;

// `at` is the place of the sum in its own tensor, `unit` the row or column that its bias belongs to.
fn finish(sum: f32, at: u32, unit: u32, replica: u32) -> f32 {
    if product.epilogue == EPILOGUE_FORWARD {
        var y = sum;
        if product.bias != BIAS_NONE {
            y += weights[product.bias_offset + replica * product.replica_stride + unit];
        }
        return activate(y, product.activation);
    }
    if product.epilogue == EPILOGUE_BACKWARD {
        return sum * derivative(gate[at], product.activation);
    }
    return sum;
}

// begin shared: finish4
// The bias of a row or column.
fn output_bias(unit: u32, replica: u32) -> f32 {
    if product.bias == BIAS_NONE { return 0.0; }
    let element = product.bias_offset + replica * product.replica_stride + unit;
    return weights4[element / 4u][element % 4u];
}

// From a sum to what is stored. `at` is the place of the sum in its own tensor, `unit` the row or column that its
// bias belongs to.
fn finish4(sum: f32, at: u32, unit: u32, replica: u32) -> f32 {
    if product.epilogue == EPILOGUE_FORWARD {
        return activate(sum + output_bias(unit, replica), product.activation);
    }
    if product.epilogue == EPILOGUE_BACKWARD {
        return sum * derivative(gate[at], product.activation);
    }
    return sum;
}
// end shared: finish4

@compute @workgroup_size(LANES, 1, 1)
fn dense_rows_dot_naive(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    let line = id.z * product.batch + id.y;
    if row >= product.rows { return; }
    let w = product.weight_offset + id.z * product.replica_stride + row * product.columns;
    let c = line * product.columns;
    var sum = 0.0;
    for (var k = 0u; k < product.columns; k++) {
        sum += column_side[c + k] * weights[w + k];
    }
    let at = line * product.row_side_width + product.row_side_first + row;
    sums[at] = finish(sum, at, row, id.z);
}

// Faster on a CPU whose lanes cannot share, where there are few rows and many samples (a classifier's layers): lanes
// run over samples, so that the weights' loads are scalar ones, and a value that is loaded serves a tile of sums.
@compute @workgroup_size(LANES, 1, 1)
fn dense_rows_dot_by_sample(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    let replica = group.z;
    let first_sample = id.x * TILE_BATCH;
    let first_row = group.y * TILE_ROWS;
    if first_sample >= product.batch { return; }
    let columns4 = product.columns / 4u;
    var w: array<u32, TILE_ROWS>;
    for (var i = 0u; i < TILE_ROWS; i++) {
        let row = min(first_row + i, product.rows - 1u);
        w[i] = (product.weight_offset + replica * product.replica_stride) / 4u + row * columns4;
    }
    var c: array<u32, TILE_BATCH>;
    for (var j = 0u; j < TILE_BATCH; j++) {
        let sample = min(first_sample + j, product.batch - 1u);
        c[j] = (replica * product.batch + sample) * columns4;
    }
    var sum: array<f32, TILE_ROWS * TILE_BATCH>;
    for (var k = 0u; k < columns4; k++) {
        var c4: array<vec4<f32>, TILE_BATCH>;
        for (var j = 0u; j < TILE_BATCH; j++) {
            c4[j] = column_side4[c[j] + k];
        }
        for (var i = 0u; i < TILE_ROWS; i++) {
            let w4 = weights4[w[i] + k];
            for (var j = 0u; j < TILE_BATCH; j++) {
                sum[i * TILE_BATCH + j] += dot(w4, c4[j]);
            }
        }
    }
    for (var i = 0u; i < TILE_ROWS; i++) {
        for (var j = 0u; j < TILE_BATCH; j++) {
            let row = first_row + i;
            if row < product.rows && first_sample + j < product.batch {
                let at = (replica * product.batch + first_sample + j) * product.row_side_width
                    + product.row_side_first + row;
                sums[at] = finish4(sum[i * TILE_BATCH + j], at, row, replica);
            }
        }
    }
}

// Sums of four rows by four samples of each lane of a workgroup.
var<workgroup> cells: array<vec4<f32>, 256>;

// Four values of the same columns, of four samples.
fn four_samples(at: vec4<u32>, k: u32) -> array<vec4<f32>, 4> {
    return array(column_side4[at.x + k], column_side4[at.y + k], column_side4[at.z + k], column_side4[at.w + k]);
}

// Faster where sums are few or columns many: few sums still keep many lanes busy. Four lanes share the columns of a
// cell of four rows by four samples, so that neighbours read neighbouring values, and add their parts up in workgroup
// memory. A workgroup has sixteen cells, SAMPLE_CELLS of them side by side.
@compute @workgroup_size(64, 1, 1)
fn dense_rows_dot_split(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let replica = group.z;
    let part = lane % 4u;
    let cell = lane / 4u;
    let first_row = group.x * (64u / SAMPLE_CELLS) + cell / SAMPLE_CELLS * 4u;
    let first_sample = group.y * (4u * SAMPLE_CELLS) + cell % SAMPLE_CELLS * 4u;
    let columns4 = product.columns / 4u;
    // Rows and samples beyond the end repeat the last one; their sums are not written.
    let rows = min(first_row + vec4(0u, 1u, 2u, 3u), vec4(product.rows - 1u));
    let samples = min(first_sample + vec4(0u, 1u, 2u, 3u), vec4(product.batch - 1u));
    let w = (product.weight_offset + replica * product.replica_stride) / 4u + rows * columns4;
    let c = (replica * product.batch + samples) * columns4;
    var own: array<vec4<f32>, 4>;
    for (var k = part; k < columns4; k += 4u) {
        let values = four_samples(c, k);
        for (var i = 0u; i < 4u; i++) {
            let row = weights4[w[i] + k];
            own[i] += vec4(dot(row, values[0]), dot(row, values[1]), dot(row, values[2]), dot(row, values[3]));
        }
    }
    for (var i = 0u; i < 4u; i++) {
        cells[lane * 4u + i] = own[i];
    }
    workgroupBarrier();
    // Each of the four finishes a row.
    var sum = vec4<f32>();
    for (var other = 0u; other < 4u; other++) {
        sum += cells[(cell * 4u + other) * 4u + part];
    }
    let row = first_row + part;
    if row >= product.rows { return; }
    for (var j = 0u; j < 4u; j++) {
        if first_sample + j < product.batch {
            let at = (replica * product.batch + first_sample + j) * product.row_side_width
                + product.row_side_first + row;
            sums[at] = finish4(sum[j], at, row, replica);
        }
    }
}

// Where a sum of rows_sum goes, and in what state.
fn store_sum(sum: f32, chunk: u32, sample: u32, column: u32, replica: u32) {
    let at = (replica * product.batch + sample) * product.columns + column;
    if product.chunks == 1u {
        sums[at] = finish(sum, at, column, replica);
    } else {
        let block = product.replicas * product.batch * product.columns;
        sums[(product.first_chunk + chunk) * block + at] = sum;
    }
}

// begin shared: store_sum4
fn store_sum4(sum: vec4<f32>, chunk: u32, sample: u32, column: u32, replica: u32) {
    let at = (replica * product.batch + sample) * product.columns + column;
    if product.chunks == 1u {
        for (var i = 0u; i < 4u; i++) {
            sums[at + i] = finish4(sum[i], at + i, column + i, replica);
        }
    } else {
        let block = (product.first_chunk + chunk) * product.replicas * product.batch * product.columns;
        for (var i = 0u; i < 4u; i++) {
            sums[block + at + i] = sum[i];
        }
    }
}
// end shared: store_sum4

@compute @workgroup_size(LANES, 1, 1)
fn dense_rows_sum_naive(@builtin(global_invocation_id) id: vec3<u32>) {
    let column = id.x;
    let sample = id.y % product.batch;
    let chunk = id.y / product.batch;
    if column >= product.columns { return; }
    let w = product.weight_offset + id.z * product.replica_stride + column;
    let a = (id.z * product.batch + sample) * product.row_side_width + product.row_side_first;
    let end = min((chunk + 1u) * product.chunk_rows, product.rows);
    var sum = 0.0;
    for (var n = chunk * product.chunk_rows; n < end; n++) {
        sum += row_side[a + n] * weights[w + n * product.columns];
    }
    store_sum(sum, chunk, sample, column, id.z);
}

// Faster: each row of w that is loaded serves a tile of samples, four columns at a time.
@compute @workgroup_size(LANES, 1, 1)
fn dense_rows_sum(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    let replica = group.z;
    let columns4 = product.columns / 4u;
    let tiles = (product.batch + TILE_BATCH - 1u) / TILE_BATCH;
    let first_sample = (group.y % tiles) * TILE_BATCH;
    let chunk = group.y / tiles;
    if id.x >= columns4 { return; }
    let w = (product.weight_offset + replica * product.replica_stride) / 4u + id.x;
    var a: array<u32, TILE_BATCH>;
    for (var j = 0u; j < TILE_BATCH; j++) {
        let sample = min(first_sample + j, product.batch - 1u);
        a[j] = (replica * product.batch + sample) * product.row_side_width + product.row_side_first;
    }
    let end = min((chunk + 1u) * product.chunk_rows, product.rows);
    var sum: array<vec4<f32>, TILE_BATCH>;
    for (var n = chunk * product.chunk_rows; n < end; n++) {
        let w4 = weights4[w + n * columns4];
        for (var j = 0u; j < TILE_BATCH; j++) {
            sum[j] += row_side[a[j] + n] * w4;
        }
    }
    for (var j = 0u; j < TILE_BATCH; j++) {
        if first_sample + j < product.batch {
            store_sum4(sum[j], chunk, first_sample + j, id.x * 4u, replica);
        }
    }
}

@group(0) @binding(1) var<storage, read> chunk_sums: array<f32>;

// Adds the chunks of rows_sum up, in their order, and finishes the sums.
@compute @workgroup_size(LANES, 1, 1)
fn dense_finish(@builtin(global_invocation_id) id: vec3<u32>) {
    let column = id.x;
    if column >= product.columns { return; }
    let at = (id.z * product.batch + id.y) * product.columns + column;
    let block = product.replicas * product.batch * product.columns;
    var sum = 0.0;
    for (var chunk = 0u; chunk < product.chunks; chunk++) {
        sum += chunk_sums[chunk * block + at];
    }
    sums[at] = finish(sum, at, column, id.z);
}

// Parts of sixteen columns, sixteen of each.
var<workgroup> slices: array<f32, 256>;

// Faster on a GPU, where there are many chunks: sixteen lanes share them.
@compute @workgroup_size(16, 16, 1)
fn dense_finish_split(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let column = id.x;
    let at = (group.z * product.batch + group.y) * product.columns + min(column, product.columns - 1u);
    let block = product.replicas * product.batch * product.columns;
    var part = 0.0;
    for (var chunk = local.y; chunk < product.chunks; chunk += 16u) {
        part += chunk_sums[chunk * block + at];
    }
    slices[local.y * 16u + local.x] = part;
    workgroupBarrier();
    if local.y > 0u || column >= product.columns { return; }
    var sum = 0.0;
    for (var slice = 0u; slice < 16u; slice++) {
        sum += slices[slice * 16u + local.x];
    }
    sums[at] = finish(sum, at, column, group.z);
}
