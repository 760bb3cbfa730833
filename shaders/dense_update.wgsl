// Updates of dense layers: the weight gradient is never stored; it is formed in registers and the optimiser is
// applied at once. Letters and layouts are those of dense.wgsl: w [R, N, K], a [R, B, N], c [R, B, K].
//
// Kernels named `..._naive` are the readable reference and take any shape. The others need K, the offsets
// and the strides to be multiples of four.

// Lanes of a workgroup; on a GPU they are more.
const LANES: u32 = 8u;
// Register tiles; the host replaces the values to make variants.
const TILE_ROWS: u32 = 4u;
// Update and carry: samples, at least as many as the batch has, and whether Adam steps or SGD.
const TILE_BATCH: u32 = 8u;
const ADAPTIVE: u32 = 1u;

// begin shared: bias_sides, from dense.wgsl
// Where the bias runs.
const BIAS_NONE: u32 = 0u;
const BIAS_ROWS: u32 = 1u;
const BIAS_COLUMNS: u32 = 2u;
// end shared: bias_sides

// Which weights a pass carries on: those before its update, or those after it.
const CARRY_BEFORE: u32 = 1u;

// begin shared: update
struct Update {
    batch: u32,
    rows: u32,
    row_side_width: u32,
    row_side_first: u32,
    columns: u32,
    weight_offset: u32,
    replica_stride: u32,
    bias_offset: u32,
    bias: u32,
    // The schedule holds [R, steps] of (1 / samples, rate / (1 - beta1^t), 1 / sqrt(1 - beta2^t), rate);
    // a replica whose first number is 0 has no samples in this step and is left as it is.
    steps: u32,
    step: u32,
    // The layer's own factor on the rate.
    rate_scale: f32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    weight_decay: f32,
    // 1: decay the weights themselves (AdamW); 0: add the decay to the gradient.
    decoupled: u32,
    // Update and carry only: rows that a workgroup goes over, the number of this dispatch's first chunk,
    // replicas, and which weights are carried on.
    chunk_rows: u32,
    first_chunk: u32,
    replicas: u32,
    carry: u32,
}
var<immediate> update: Update;
// end shared: update

@group(0) @binding(0) var<storage, read> update_rows: array<f32>;
@group(0) @binding(1) var<storage, read> update_columns: array<f32>;
@group(0) @binding(1) var<storage, read> update_columns4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> schedule: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(3) var<storage, read_write> parameters4: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> first_moments: array<f32>;
@group(0) @binding(5) var<storage, read_write> second_moments: array<f32>;

// begin shared: moments
// Moments of Adam, or the momentum of SGD, in f32. The section of moments_bf16.wgsl takes this one's place for those of
// half the memory; it needs the new weights beside the moments.
@group(0) @binding(4) var<storage, read_write> first_moments4: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> second_moments4: array<vec4<f32>>;

fn first_four(place: u32) -> vec4<f32> { return first_moments4[place]; }
fn second_four(place: u32) -> vec4<f32> { return second_moments4[place]; }
fn put_first_four(place: u32, moments: vec4<f32>, weights: vec4<f32>) { first_moments4[place] = moments; }
fn put_second_four(place: u32, moments: vec4<f32>, weights: vec4<f32>) { second_moments4[place] = moments; }
fn first_one(element: u32) -> f32 { return first_moments4[element / 4u][element % 4u]; }
fn second_one(element: u32) -> f32 { return second_moments4[element / 4u][element % 4u]; }
fn put_first_one(element: u32, moment: f32, weight: f32) {
    first_moments4[element / 4u][element % 4u] = moment;
}
fn put_second_one(element: u32, moment: f32, weight: f32) {
    second_moments4[element / 4u][element % 4u] = moment;
}
// end shared: moments

// begin shared: optimizer, from optimizer.wgsl
// What an optimiser step needs beside the gradient. `now` is a line of the schedule: (1 / samples,
// rate / (1 - beta1^t), 1 / sqrt(1 - beta2^t), rate).
struct Settings {
    // The layer's own factor on the rate.
    rate_scale: f32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    weight_decay: f32,
    // 1: decay the weights themselves (AdamW); 0: add the decay to the gradient.
    decoupled: u32,
}

// The weights and moments after a step.
struct Stepped {
    w: vec4<f32>,
    m: vec4<f32>,
    v: vec4<f32>,
}

// torch.optim.Adam and AdamW: epsilon is added after the bias correction of the root.
fn adam(w: vec4<f32>, m: vec4<f32>, v: vec4<f32>, gradient: vec4<f32>, now: vec4<f32>, by: Settings) -> Stepped {
    let decay = select(1.0, 1.0 - now.w * by.rate_scale * by.weight_decay, by.decoupled == 1u);
    let g = gradient + select(by.weight_decay, 0.0, by.decoupled == 1u) * w;
    let next_m = by.beta1 * m + (1.0 - by.beta1) * g;
    let next_v = by.beta2 * v + (1.0 - by.beta2) * g * g;
    let next_w = w * decay - now.y * by.rate_scale * next_m / (sqrt(next_v) * now.z + by.epsilon);
    return Stepped(next_w, next_m, next_v);
}

// torch.optim.SGD with momentum beta1 and no dampening. Without momentum any moments will do, and are not cleared.
fn sgd(w: vec4<f32>, m: vec4<f32>, gradient: vec4<f32>, now: vec4<f32>, by: Settings) -> Stepped {
    let kept = select(by.beta1 * m, vec4<f32>(), by.beta1 == 0.0);
    let next_m = kept + gradient + by.weight_decay * w;
    return Stepped(w - now.w * by.rate_scale * next_m, next_m, vec4<f32>());
}
// end shared: optimizer

fn gradient_at(row: u32, column: u32, replica: u32) -> f32 {
    var sum = 0.0;
    for (var b = 0u; b < update.batch; b++) {
        let line = replica * update.batch + b;
        sum += update_rows[line * update.row_side_width + update.row_side_first + row]
            * update_columns[line * update.columns + column];
    }
    return sum;
}

// The bias gradient is the sum over the batch of the output side.
fn bias_gradient_rows(row: u32, replica: u32) -> f32 {
    var sum = 0.0;
    for (var b = 0u; b < update.batch; b++) {
        sum += update_rows[(replica * update.batch + b) * update.row_side_width + update.row_side_first + row];
    }
    return sum;
}

fn bias_gradient_columns(column: u32, replica: u32) -> f32 {
    var sum = 0.0;
    for (var b = 0u; b < update.batch; b++) {
        sum += update_columns[(replica * update.batch + b) * update.columns + column];
    }
    return sum;
}

fn adam_one(element: u32, gradient: f32, now: vec4<f32>) {
    let next = adam(
        vec4(parameters[element]), vec4(first_moments[element]), vec4(second_moments[element]),
        vec4(gradient), now, update_settings(),
    );
    parameters[element] = next.w.x;
    first_moments[element] = next.m.x;
    second_moments[element] = next.v.x;
}

fn sgd_one(element: u32, gradient: f32, now: vec4<f32>) {
    let next =
        sgd(vec4(parameters[element]), vec4(first_moments[element]), vec4(gradient), now, update_settings());
    parameters[element] = next.w.x;
    first_moments[element] = next.m.x;
}

@compute @workgroup_size(LANES, 1, 1)
fn dense_update_adam_naive(@builtin(global_invocation_id) id: vec3<u32>) {
    let now = schedule[id.z * update.steps + update.step];
    if id.x >= update.columns || now.x == 0.0 { return; }
    let base = id.z * update.replica_stride;
    let gradient = gradient_at(id.y, id.x, id.z);
    adam_one(update.weight_offset + base + id.y * update.columns + id.x, gradient, now);
    if update.bias == BIAS_ROWS && id.x == 0u {
        adam_one(update.bias_offset + base + id.y, bias_gradient_rows(id.y, id.z), now);
    }
    if update.bias == BIAS_COLUMNS && id.y == 0u {
        adam_one(update.bias_offset + base + id.x, bias_gradient_columns(id.x, id.z), now);
    }
}

@compute @workgroup_size(LANES, 1, 1)
fn dense_update_sgd_naive(@builtin(global_invocation_id) id: vec3<u32>) {
    let now = schedule[id.z * update.steps + update.step];
    if id.x >= update.columns || now.x == 0.0 { return; }
    let base = id.z * update.replica_stride;
    let gradient = gradient_at(id.y, id.x, id.z);
    sgd_one(update.weight_offset + base + id.y * update.columns + id.x, gradient, now);
    if update.bias == BIAS_ROWS && id.x == 0u {
        sgd_one(update.bias_offset + base + id.y, bias_gradient_rows(id.y, id.z), now);
    }
    if update.bias == BIAS_COLUMNS && id.y == 0u {
        sgd_one(update.bias_offset + base + id.x, bias_gradient_columns(id.x, id.z), now);
    }
}

// begin shared: steps
// The numbers of this dispatch.
fn update_settings() -> Settings {
    return Settings(
        update.rate_scale, update.beta1, update.beta2, update.epsilon, update.weight_decay, update.decoupled,
    );
}

// Four weights and their moments; `w` is what lies at that place. Gives the new weights.
fn adam_four(place: u32, w: vec4<f32>, gradient: vec4<f32>, now: vec4<f32>) -> vec4<f32> {
    let next = adam(w, first_four(place), second_four(place), gradient, now, update_settings());
    parameters4[place] = next.w;
    put_first_four(place, next.m, next.w);
    put_second_four(place, next.v, next.w);
    return next.w;
}

fn sgd_four(place: u32, w: vec4<f32>, gradient: vec4<f32>, now: vec4<f32>) -> vec4<f32> {
    let next = sgd(w, first_four(place), gradient, now, update_settings());
    parameters4[place] = next.w;
    put_first_four(place, next.m, next.w);
    return next.w;
}

// One element of buffers that are seen as vec4: a bias can begin at any group of four. Two neighbours may share
// a word of moments, so one lane takes both of a pair, one after the other.
fn adam_element(element: u32, gradient: f32, now: vec4<f32>) {
    let w = parameters4[element / 4u][element % 4u];
    let m = vec4(first_one(element));
    let v = vec4(second_one(element));
    let next = adam(vec4(w), m, v, vec4(gradient), now, update_settings());
    parameters4[element / 4u][element % 4u] = next.w.x;
    put_first_one(element, next.m.x, next.w.x);
    put_second_one(element, next.v.x, next.w.x);
}

fn sgd_element(element: u32, gradient: f32, now: vec4<f32>) {
    let w = parameters4[element / 4u][element % 4u];
    let next = sgd(vec4(w), vec4(first_one(element)), vec4(gradient), now, update_settings());
    parameters4[element / 4u][element % 4u] = next.w.x;
    put_first_one(element, next.m.x, next.w.x);
}
// end shared: steps

// An array, and not a member of a struct: FXC (DX12) addresses no array within a struct, unrolls every loop around
// it instead, and gives up on those whose length it does not know.
alias RowTile = array<vec4<f32>, TILE_ROWS>;

// The gradient of TILE_ROWS rows by four columns.
fn gradient_tile(first_row: u32, column4: u32, replica: u32) -> RowTile {
    var tile: RowTile;
    let columns4 = update.columns / 4u;
    var row: array<u32, TILE_ROWS>;
    for (var i = 0u; i < TILE_ROWS; i++) {
        row[i] = update.row_side_first + min(first_row + i, update.rows - 1u);
    }
    for (var b = 0u; b < update.batch; b++) {
        let line = replica * update.batch + b;
        let c4 = update_columns4[line * columns4 + column4];
        for (var i = 0u; i < TILE_ROWS; i++) {
            tile[i] += update_rows[line * update.row_side_width + row[i]] * c4;
        }
    }
    return tile;
}

// begin shared: bias_gradient_columns4
fn bias_gradient_columns4(column4: u32, replica: u32) -> vec4<f32> {
    var sum = vec4<f32>();
    for (var b = 0u; b < update.batch; b++) {
        sum += update_columns4[(replica * update.batch + b) * (update.columns / 4u) + column4];
    }
    return sum;
}
// end shared: bias_gradient_columns4

// Faster: four columns by a tile of rows in registers; rows are the same for all lanes of a workgroup.
@compute @workgroup_size(LANES, 1, 1)
fn dense_update_adam(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    let replica = group.z;
    let now = schedule[replica * update.steps + update.step];
    let columns4 = update.columns / 4u;
    if id.x >= columns4 || now.x == 0.0 { return; }
    let first_row = group.y * TILE_ROWS;
    let base = replica * update.replica_stride;
    let tile = gradient_tile(first_row, id.x, replica);
    for (var i = 0u; i < TILE_ROWS; i++) {
        let row = first_row + i;
        if row < update.rows {
            let place = (update.weight_offset + base) / 4u + row * columns4 + id.x;
            adam_four(place, parameters4[place], tile[i], now);
            if update.bias == BIAS_ROWS && id.x == 0u {
                adam_element(update.bias_offset + base + row, bias_gradient_rows(row, replica), now);
            }
        }
    }
    if update.bias == BIAS_COLUMNS && group.y == 0u {
        let gradient = bias_gradient_columns4(id.x, replica);
        for (var i = 0u; i < 4u; i++) {
            adam_element(update.bias_offset + base + id.x * 4u + i, gradient[i], now);
        }
    }
}

@compute @workgroup_size(LANES, 1, 1)
fn dense_update_sgd(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    let replica = group.z;
    let now = schedule[replica * update.steps + update.step];
    let columns4 = update.columns / 4u;
    if id.x >= columns4 || now.x == 0.0 { return; }
    let first_row = group.y * TILE_ROWS;
    let base = replica * update.replica_stride;
    let tile = gradient_tile(first_row, id.x, replica);
    for (var i = 0u; i < TILE_ROWS; i++) {
        let row = first_row + i;
        if row < update.rows {
            let place = (update.weight_offset + base) / 4u + row * columns4 + id.x;
            sgd_four(place, parameters4[place], tile[i], now);
            if update.bias == BIAS_ROWS && id.x == 0u {
                sgd_element(update.bias_offset + base + row, bias_gradient_rows(row, replica), now);
            }
        }
    }
    if update.bias == BIAS_COLUMNS && group.y == 0u {
        let gradient = bias_gradient_columns4(id.x, replica);
        for (var i = 0u; i < 4u; i++) {
            sgd_element(update.bias_offset + base + id.x * 4u + i, gradient[i], now);
        }
    }
}

// ---------------------------------------------------------------------------------------------------
// Update and carry: one pass over the matrix that updates it and, the row being at hand, also adds up
//
//   carried[b, k] = sum over n of a[b, n] w[n, k]
//
// with the weights before the update (a decoder's input gradient) or after it (an encoder's next forward
// pass on the same batch). A workgroup goes over a chunk of rows; its sums go to `carried` as
// [chunks, R, B, K], for dense_finish to add up.

// [chunks, R, B, K]
@group(0) @binding(6) var<storage, read_write> carried: array<vec4<f32>>;

// One value of the row side; 0 for a sample beyond the batch.
fn row_value(row: u32, sample: u32, replica: u32) -> f32 {
    let line = replica * update.batch + min(sample, update.batch - 1u);
    let value = update_rows[line * update.row_side_width + update.row_side_first + row];
    return select(0.0, value, sample < update.batch);
}

// Lanes run over groups of four columns and keep those of all samples, and their sums, in registers.
@compute @workgroup_size(16, 4, 1)
fn dense_update_carry(@builtin(global_invocation_id) id: vec3<u32>) {
    let replica = id.z;
    let now = schedule[replica * update.steps + update.step];
    let columns4 = update.columns / 4u;
    let first = id.y * update.chunk_rows;
    if id.x >= columns4 || first >= update.rows || now.x == 0.0 { return; }
    let base = replica * update.replica_stride;
    var column: array<vec4<f32>, TILE_BATCH>;
    var sum: array<vec4<f32>, TILE_BATCH>;
    for (var b = 0u; b < TILE_BATCH; b++) {
        column[b] = update_columns4[(replica * update.batch + min(b, update.batch - 1u)) * columns4 + id.x];
    }
    for (var row = first; row < min(first + update.chunk_rows, update.rows); row++) {
        var a: array<f32, TILE_BATCH>;
        var gradient = vec4<f32>();
        var bias_gradient = 0.0;
        for (var b = 0u; b < TILE_BATCH; b++) {
            a[b] = row_value(row, b, replica);
            gradient += a[b] * column[b];
            bias_gradient += a[b];
        }
        let place = (update.weight_offset + base) / 4u + row * columns4 + id.x;
        let before = parameters4[place];
        var after: vec4<f32>;
        if ADAPTIVE == 1u { after = adam_four(place, before, gradient, now); }
        else { after = sgd_four(place, before, gradient, now); }
        let w = select(after, before, update.carry == CARRY_BEFORE);
        for (var b = 0u; b < TILE_BATCH; b++) {
            sum[b] += a[b] * w;
        }
        if update.bias == BIAS_ROWS && id.x == 0u {
            let element = update.bias_offset + base + row;
            if ADAPTIVE == 1u { adam_element(element, bias_gradient, now); }
            else { sgd_element(element, bias_gradient, now); }
        }
    }
    for (var b = 0u; b < update.batch; b++) {
        let block = (update.first_chunk + id.y) * update.replicas + replica;
        carried[(block * update.batch + b) * columns4 + id.x] = sum[b];
    }
    if update.bias == BIAS_COLUMNS && first == 0u {
        let gradient = bias_gradient_columns4(id.x, replica);
        for (var i = 0u; i < 4u; i++) {
            let element = update.bias_offset + base + id.x * 4u + i;
            if ADAPTIVE == 1u { adam_element(element, gradient[i], now); }
            else { sgd_element(element, gradient[i], now); }
        }
    }
}
