// Dense layers for adapters whose subgroups have eight lanes or more; the products are those of dense.wgsl.
//
// Faster: a value that all lanes of a subgroup need is loaded by one of them and broadcast, so that one load
// serves eight. (On lavapipe a load of one address costs as much as one of eight.) A workgroup is eight lanes
// and lies in one subgroup. Lanes beyond the end of their axis go along, since the others need what they load;
// they write nothing. K, offsets and strides are multiples of four.

// Products by rows: rows (or samples) of each lane, and eights of samples (or rows) that lanes hold and broadcast; those
// are replaced by the host to make variants.
const TILE_OWN: u32 = 2u;
const TILE_EIGHTS: u32 = 1u;

// Residual: groups of eight samples, which the host replaces to make variants, and rows of a lane.
const TILE_GROUPS: u32 = 1u;
const TILE_ROWS: u32 = 2u;

// begin shared: epilogues, from dense.wgsl
// What is done to a finished sum.
const EPILOGUE_NONE: u32 = 0u;
const EPILOGUE_FORWARD: u32 = 1u;  // add the bias, apply the activation
const EPILOGUE_BACKWARD: u32 = 2u; // multiply by the derivative of the activation that `gate` came out of
// end shared: epilogues

// begin shared: bias_sides, from dense.wgsl
// Where the bias runs.
const BIAS_NONE: u32 = 0u;
const BIAS_ROWS: u32 = 1u;
const BIAS_COLUMNS: u32 = 2u;
// end shared: bias_sides

// begin shared: activations, from dense.wgsl
// What follows a layer's sums, by number.
const ACTIVATION_RELU: u32 = 1u;
const ACTIVATION_TANH: u32 = 2u;
const ACTIVATION_SIGMOID: u32 = 3u;
// end shared: activations

// begin shared: activate, from dense.wgsl
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

// begin shared: derivative, from dense.wgsl
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

// begin shared: product, from dense.wgsl
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

@group(0) @binding(0) var<storage, read> weights4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> row_side: array<f32>;
@group(0) @binding(1) var<storage, read> column_side4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gate: array<f32>;
@group(0) @binding(3) var<storage, read_write> sums: array<f32>;

// begin shared: finish4, from dense.wgsl
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

// begin shared: eight_lanes
// A value of each of eight lanes.
alias Eight = array<f32, 8>;

// What eight lanes hold, for all of them.
fn eight_lanes(own: f32) -> Eight {
    return Eight(
        subgroupBroadcast(own, 0u), subgroupBroadcast(own, 1u), subgroupBroadcast(own, 2u),
        subgroupBroadcast(own, 3u), subgroupBroadcast(own, 4u), subgroupBroadcast(own, 5u),
        subgroupBroadcast(own, 6u), subgroupBroadcast(own, 7u),
    );
}
// end shared: eight_lanes

// Adds four columns to the sums of one lane's row (or sample) with eight samples (or rows): `own` is the lane's own
// row, `other` holds a sample in each lane.
fn add_dot(sum: ptr<function, Eight>, own: vec4<f32>, other: vec4<f32>) {
    (*sum)[0] += dot(own, subgroupBroadcast(other, 0u));
    (*sum)[1] += dot(own, subgroupBroadcast(other, 1u));
    (*sum)[2] += dot(own, subgroupBroadcast(other, 2u));
    (*sum)[3] += dot(own, subgroupBroadcast(other, 3u));
    (*sum)[4] += dot(own, subgroupBroadcast(other, 4u));
    (*sum)[5] += dot(own, subgroupBroadcast(other, 5u));
    (*sum)[6] += dot(own, subgroupBroadcast(other, 6u));
    (*sum)[7] += dot(own, subgroupBroadcast(other, 7u));
}

fn store_dot(sum: f32, row: u32, sample: u32, replica: u32) {
    if row < product.rows && sample < product.batch {
        let line = replica * product.batch + sample;
        let at = line * product.row_side_width + product.row_side_first + row;
        sums[at] = finish4(sum, at, row, replica);
    }
}

fn row_at(row: u32, replica: u32) -> u32 {
    let first = product.weight_offset + replica * product.replica_stride;
    return (first + min(row, product.rows - 1u) * product.columns) / 4u;
}

fn sample_at(sample: u32, replica: u32) -> u32 {
    return (replica * product.batch + min(sample, product.batch - 1u)) * product.columns / 4u;
}

// Sums of a lane's own rows with each of the others.
alias DotTile = array<array<Eight, TILE_EIGHTS>, TILE_OWN>;

// Lanes run over rows; samples are broadcast.
@compute @workgroup_size(8, 1, 1)
fn dense_lanes_rows_dot(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let replica = group.z;
    let row = id.x * TILE_OWN;
    let first_sample = group.y * 8u * TILE_EIGHTS;
    var own_at: array<u32, TILE_OWN>;
    var other_at: array<u32, TILE_EIGHTS>;
    for (var i = 0u; i < TILE_OWN; i++) { own_at[i] = row_at(row + i, replica); }
    for (var g = 0u; g < TILE_EIGHTS; g++) { other_at[g] = sample_at(first_sample + g * 8u + lane, replica); }
    var tile: DotTile;
    for (var k = 0u; k < product.columns / 4u; k++) {
        var own: array<vec4<f32>, TILE_OWN>;
        for (var i = 0u; i < TILE_OWN; i++) { own[i] = weights4[own_at[i] + k]; }
        for (var g = 0u; g < TILE_EIGHTS; g++) {
            let other = column_side4[other_at[g] + k];
            for (var i = 0u; i < TILE_OWN; i++) {
                var sum = tile[i][g];
                add_dot(&sum, own[i], other);
                tile[i][g] = sum;
            }
        }
    }
    for (var i = 0u; i < TILE_OWN; i++) {
        for (var g = 0u; g < TILE_EIGHTS; g++) {
            for (var j = 0u; j < 8u; j++) {
                store_dot(tile[i][g][j], row + i, first_sample + g * 8u + j, replica);
            }
        }
    }
}

// Lanes run over samples; rows are broadcast.
@compute @workgroup_size(8, 1, 1)
fn dense_lanes_rows_dot_by_sample(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let replica = group.z;
    let sample = id.x * TILE_OWN;
    let first_row = group.y * 8u * TILE_EIGHTS;
    var own_at: array<u32, TILE_OWN>;
    var other_at: array<u32, TILE_EIGHTS>;
    for (var i = 0u; i < TILE_OWN; i++) { own_at[i] = sample_at(sample + i, replica); }
    for (var g = 0u; g < TILE_EIGHTS; g++) { other_at[g] = row_at(first_row + g * 8u + lane, replica); }
    var tile: DotTile;
    for (var k = 0u; k < product.columns / 4u; k++) {
        var own: array<vec4<f32>, TILE_OWN>;
        for (var i = 0u; i < TILE_OWN; i++) { own[i] = column_side4[own_at[i] + k]; }
        for (var g = 0u; g < TILE_EIGHTS; g++) {
            let other = weights4[other_at[g] + k];
            for (var i = 0u; i < TILE_OWN; i++) {
                var sum = tile[i][g];
                add_dot(&sum, own[i], other);
                tile[i][g] = sum;
            }
        }
    }
    for (var i = 0u; i < TILE_OWN; i++) {
        for (var g = 0u; g < TILE_EIGHTS; g++) {
            for (var j = 0u; j < 8u; j++) {
                store_dot(tile[i][g][j], first_row + g * 8u + j, sample + i, replica);
            }
        }
    }
}

// begin shared: store_sum4, from dense.wgsl
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

// begin shared: add_outer
// Four columns for each of eight samples, or of eight rows.
alias Tile = array<vec4<f32>, 8>;

// Adds the lane's own four columns, times a value that each of eight lanes holds.
fn add_outer(tile: ptr<function, Tile>, columns: vec4<f32>, other: f32) {
    (*tile)[0] += subgroupBroadcast(other, 0u) * columns;
    (*tile)[1] += subgroupBroadcast(other, 1u) * columns;
    (*tile)[2] += subgroupBroadcast(other, 2u) * columns;
    (*tile)[3] += subgroupBroadcast(other, 3u) * columns;
    (*tile)[4] += subgroupBroadcast(other, 4u) * columns;
    (*tile)[5] += subgroupBroadcast(other, 5u) * columns;
    (*tile)[6] += subgroupBroadcast(other, 6u) * columns;
    (*tile)[7] += subgroupBroadcast(other, 7u) * columns;
}
// end shared: add_outer

// Lanes run over groups of four columns; eight samples are broadcast.
@compute @workgroup_size(8, 1, 1)
fn dense_lanes_rows_sum(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let replica = group.z;
    let columns4 = product.columns / 4u;
    let tiles = (product.batch + 7u) / 8u;
    let first_sample = group.y % tiles * 8u;
    let chunk = group.y / tiles;
    let w = (product.weight_offset + replica * product.replica_stride) / 4u + min(id.x, columns4 - 1u);
    let sample = min(first_sample + lane, product.batch - 1u);
    let a = (replica * product.batch + sample) * product.row_side_width + product.row_side_first;
    let end = min((chunk + 1u) * product.chunk_rows, product.rows);
    var tile: Tile;
    for (var n = chunk * product.chunk_rows; n < end; n++) {
        add_outer(&tile, weights4[w + n * columns4], row_side[a + n]);
    }
    if id.x >= columns4 { return; }
    for (var j = 0u; j < 8u; j++) {
        if first_sample + j < product.batch {
            store_sum4(tile[j], chunk, first_sample + j, id.x * 4u, replica);
        }
    }
}

// ---------------------------------------------------------------------------------------------------
// The last layer and its loss in one pass: the mean squared error of its outputs, which are never stored.

// begin shared: nothing, from gather.wgsl
// The number of a place of a batch that is left empty.
const NOTHING: u32 = 0xffffffffu;
// end shared: nothing
// Rows of the output whose squared errors are tallied together.
const TALLY_ROWS: u32 = 256u;

// [R, B, N]: what the outputs should be.
@group(0) @binding(2) var<storage, read> targets: array<f32>;
// [R, steps] of (1 / samples, ...); see dense_update.wgsl.
@group(0) @binding(4) var<storage, read> schedule: array<vec4<f32>>;
// [R, B]; NOTHING marks an empty place.
@group(0) @binding(5) var<storage, read> batch_labels: array<u32>;
// [R, B, chunks of TALLY_ROWS]: sums over steps of the squared errors.
@group(0) @binding(6) var<storage, read_write> error_tallies: array<f32>;

// A row's outputs for eight samples each, of TILE_GROUPS groups of samples.
alias Groups = array<Eight, TILE_GROUPS>;

// What the errors of eight samples weigh in the gradient; 0 for an empty place.
fn error_weights(group: u32, lane: u32, replica: u32) -> Eight {
    let sample = group * 8u + lane;
    let line = replica * product.batch + min(sample, product.batch - 1u);
    let weight = 2.0 * schedule[replica * product.steps + product.step].x / f32(product.whole_width);
    let own = select(weight, 0.0, sample >= product.batch || batch_labels[line] == NOTHING);
    return eight_lanes(own);
}

// From finished sums of one row with eight samples to the gradients before the activation, which go to `sums`;
// gives the squared errors.
fn store_residuals(row: u32, group: u32, replica: u32, products: Eight, weights: Eight) -> Eight {
    var ys = products;
    var own = weights;
    var squares: Eight;
    let bias = output_bias(row - product.row_side_first, replica);
    for (var j = 0u; j < 8u; j++) {
        let sample = group * 8u + j;
        if sample < product.batch {
            let at = (replica * product.batch + sample) * product.row_side_width + row;
            let y = activate(ys[j] + bias, product.activation);
            let error = select(y - targets[at], 0.0, own[j] == 0.0);
            sums[at] = own[j] * error * derivative(y, product.activation);
            squares[j] = error * error;
        }
    }
    return squares;
}

// Lanes run over TILE_ROWS rows each, TILE_GROUPS groups of eight samples are broadcast; a workgroup goes over the
// rows of one tally. Faster: a matrix is loaded once for all groups of a tile.
@compute @workgroup_size(8, 1, 1)
fn dense_lanes_residual(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let replica = group.z;
    let chunk = product.first_chunk + group.x;
    let first_group = group.y * TILE_GROUPS;
    let first_row = max(chunk * TALLY_ROWS, product.row_side_first);
    let end = min((chunk + 1u) * TALLY_ROWS, product.row_side_first + product.rows);
    var other_at: array<u32, TILE_GROUPS>;
    var weights: Groups;
    for (var g = 0u; g < TILE_GROUPS; g++) {
        other_at[g] = sample_at((first_group + g) * 8u + lane, replica);
        weights[g] = error_weights(first_group + g, lane, replica);
    }
    var squares: Groups;
    for (var tile = first_row; tile < end; tile += 8u * TILE_ROWS) {
        var row_first: array<u32, TILE_ROWS>;
        for (var i = 0u; i < TILE_ROWS; i++) {
            row_first[i] = row_at(tile + i * 8u + lane - product.row_side_first, replica);
        }
        var products: array<Groups, TILE_ROWS>;
        for (var k = 0u; k < product.columns / 4u; k++) {
            var own: array<vec4<f32>, TILE_ROWS>;
            for (var i = 0u; i < TILE_ROWS; i++) { own[i] = weights4[row_first[i] + k]; }
            for (var g = 0u; g < TILE_GROUPS; g++) {
                let other = column_side4[other_at[g] + k];
                for (var i = 0u; i < TILE_ROWS; i++) {
                    var sum = products[i][g];
                    add_dot(&sum, own[i], other);
                    products[i][g] = sum;
                }
            }
        }
        for (var i = 0u; i < TILE_ROWS; i++) {
            let row = tile + i * 8u + lane;
            if row < end {
                for (var g = 0u; g < TILE_GROUPS; g++) {
                    let more = store_residuals(row, first_group + g, replica, products[i][g], weights[g]);
                    for (var j = 0u; j < 8u; j++) { squares[g][j] += more[j]; }
                }
            }
        }
    }
    for (var g = 0u; g < TILE_GROUPS; g++) {
        var mine = 0.0;
        for (var j = 0u; j < 8u; j++) {
            let total = subgroupAdd(squares[g][j]);
            mine = select(mine, total, lane == j);
        }
        let sample = (first_group + g) * 8u + lane;
        if sample < product.batch {
            error_tallies[(replica * product.batch + sample) * product.chunks + chunk] += mine;
        }
    }
}
