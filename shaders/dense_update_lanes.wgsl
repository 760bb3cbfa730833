// Updates of dense layers for adapters whose subgroups have eight lanes or more; the mathematics are those of
// dense_update.wgsl.
//
// Faster: a value that all lanes of a subgroup need is loaded by one of them and broadcast, so that one load
// serves eight. (On lavapipe a load of one address costs as much as one of eight.) A workgroup is eight lanes
// and lies in one subgroup. Lanes beyond the end of their axis go along, since the others need what they load;
// they write nothing. K, offsets and strides are multiples of four.

// Update and carry; the host replaces the values to make variants: groups of eight samples, and whether Adam
// steps or SGD.
const TILE_GROUPS: u32 = 1u;
const ADAPTIVE: u32 = 1u;
// Rows that it goes over at a time: their weights and moments have to stay in a processor's second cache.
const TILE_ROWS: u32 = 128u;

// begin shared: bias_sides, from dense.wgsl
// Where the bias runs.
const BIAS_NONE: u32 = 0u;
const BIAS_ROWS: u32 = 1u;
const BIAS_COLUMNS: u32 = 2u;
// end shared: bias_sides

// Which weights a pass carries on: those before its update, or those after it.
const CARRY_BEFORE: u32 = 1u;

// begin shared: add_outer, from dense_lanes.wgsl
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

// begin shared: update, from dense_update.wgsl
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
@group(0) @binding(1) var<storage, read> update_columns4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> schedule: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> parameters4: array<vec4<f32>>;

// begin shared: moments, from dense_update.wgsl
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

// begin shared: steps, from dense_update.wgsl
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

// The gradient of eight rows by the lane's four columns.
fn gradient_tile(first_row: u32, lane: u32, column4: u32, replica: u32) -> Tile {
    var tile: Tile;
    let row = update.row_side_first + min(first_row + lane, update.rows - 1u);
    for (var b = 0u; b < update.batch; b++) {
        let line = replica * update.batch + b;
        add_outer(
            &tile,
            update_columns4[line * (update.columns / 4u) + column4],
            update_rows[line * update.row_side_width + row],
        );
    }
    return tile;
}

// The gradient of a row's bias.
fn bias_gradient_row(row: u32, replica: u32) -> f32 {
    let column = update.row_side_first + min(row, update.rows - 1u);
    var sum = 0.0;
    for (var b = 0u; b < update.batch; b++) {
        sum += update_rows[(replica * update.batch + b) * update.row_side_width + column];
    }
    return sum;
}

// begin shared: bias_gradient_columns4, from dense_update.wgsl
fn bias_gradient_columns4(column4: u32, replica: u32) -> vec4<f32> {
    var sum = vec4<f32>();
    for (var b = 0u; b < update.batch; b++) {
        sum += update_columns4[(replica * update.batch + b) * (update.columns / 4u) + column4];
    }
    return sum;
}
// end shared: bias_gradient_columns4

// Lanes run over groups of four columns; eight rows are broadcast. The biases of rows are updated by the
// first workgroup of each row tile, two rows in each of four lanes.
@compute @workgroup_size(8, 1, 1)
fn dense_lanes_update_adam(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let replica = group.z;
    let now = schedule[replica * update.steps + update.step];
    if now.x == 0.0 { return; }
    let columns4 = update.columns / 4u;
    let first_row = group.y * 8u;
    let base = replica * update.replica_stride;
    let tile = gradient_tile(first_row, lane, min(id.x, columns4 - 1u), replica);
    if id.x < columns4 {
        let first = (update.weight_offset + base) / 4u + first_row * columns4 + id.x;
        for (var i = 0u; i < 8u; i++) {
            if first_row + i < update.rows {
                let place = first + i * columns4;
                adam_four(place, parameters4[place], tile[i], now);
            }
        }
    }
    if update.bias == BIAS_ROWS && group.x == 0u {
        let first = first_row + 2u * lane;
        for (var row = first; row < min(min(first + 2u, first_row + 8u), update.rows); row++) {
            adam_element(update.bias_offset + base + row, bias_gradient_row(row, replica), now);
        }
    }
    if update.bias == BIAS_COLUMNS && group.y == 0u && id.x < columns4 {
        let gradient = bias_gradient_columns4(id.x, replica);
        for (var i = 0u; i < 4u; i++) {
            adam_element(update.bias_offset + base + id.x * 4u + i, gradient[i], now);
        }
    }
}

@compute @workgroup_size(8, 1, 1)
fn dense_lanes_update_sgd(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let replica = group.z;
    let now = schedule[replica * update.steps + update.step];
    if now.x == 0.0 { return; }
    let columns4 = update.columns / 4u;
    let first_row = group.y * 8u;
    let base = replica * update.replica_stride;
    let tile = gradient_tile(first_row, lane, min(id.x, columns4 - 1u), replica);
    if id.x < columns4 {
        let first = (update.weight_offset + base) / 4u + first_row * columns4 + id.x;
        for (var i = 0u; i < 8u; i++) {
            if first_row + i < update.rows {
                let place = first + i * columns4;
                sgd_four(place, parameters4[place], tile[i], now);
            }
        }
    }
    if update.bias == BIAS_ROWS && group.x == 0u {
        let first = first_row + 2u * lane;
        for (var row = first; row < min(min(first + 2u, first_row + 8u), update.rows); row++) {
            sgd_element(update.bias_offset + base + row, bias_gradient_row(row, replica), now);
        }
    }
    if update.bias == BIAS_COLUMNS && group.y == 0u && id.x < columns4 {
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
//
// Faster: lanes lie side by side along a row, so that what is read and written is contiguous, and they keep
// their columns of all samples in registers over a tile of rows. Before a tile is worked on, one value of each
// of its cache lines is read in the order of memory, which a processor's prefetcher follows; the tile itself is
// then taken column by column. K is a multiple of 32, so that all lanes have work.

// [chunks, R, B, K], and behind that one value for each chunk that no kernel reads.
@group(0) @binding(6) var<storage, read_write> carried: array<vec4<f32>>;

// begin shared: eight_lanes, from dense_lanes.wgsl
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

// Eight samples of a row, of which each lane loads one; 0 beyond the batch.
fn row_values(group: u32, row: u32, lane: u32, replica: u32) -> Eight {
    let sample = group * 8u + lane;
    let line = replica * update.batch + min(sample, update.batch - 1u);
    let value = update_rows[line * update.row_side_width + update.row_side_first + row];
    let own = select(0.0, value, sample < update.batch);
    return eight_lanes(own);
}

fn sum_of_products(columns: Tile, a: Eight) -> vec4<f32> {
    return a[0] * columns[0] + a[1] * columns[1] + a[2] * columns[2] + a[3] * columns[3]
        + a[4] * columns[4] + a[5] * columns[5] + a[6] * columns[6] + a[7] * columns[7];
}

fn add_products(sums: ptr<function, Tile>, a: Eight, w: vec4<f32>) {
    (*sums)[0] += a[0] * w;
    (*sums)[1] += a[1] * w;
    (*sums)[2] += a[2] * w;
    (*sums)[3] += a[3] * w;
    (*sums)[4] += a[4] * w;
    (*sums)[5] += a[5] * w;
    (*sums)[6] += a[6] * w;
    (*sums)[7] += a[7] * w;
}

fn column_of(sample: u32, column4: u32, replica: u32) -> vec4<f32> {
    let line = replica * update.batch + min(sample, update.batch - 1u);
    return update_columns4[line * (update.columns / 4u) + column4];
}

fn columns_of(group: u32, column4: u32, replica: u32) -> Tile {
    let first = group * 8u;
    return Tile(
        column_of(first, column4, replica), column_of(first + 1u, column4, replica),
        column_of(first + 2u, column4, replica), column_of(first + 3u, column4, replica),
        column_of(first + 4u, column4, replica), column_of(first + 5u, column4, replica),
        column_of(first + 6u, column4, replica), column_of(first + 7u, column4, replica),
    );
}

fn carried_at(sample: u32, chunk: u32, column4: u32, replica: u32) -> u32 {
    let block = (update.first_chunk + chunk) * update.replicas + replica;
    return (block * update.batch + min(sample, update.batch - 1u)) * (update.columns / 4u) + column4;
}

// The sums of eight samples over the tiles before this one.
fn take_sums(group: u32, chunk: u32, column4: u32, replica: u32, is_first: bool) -> Tile {
    var sums: Tile;
    if !is_first {
        let first = group * 8u;
        sums = Tile(
            carried[carried_at(first, chunk, column4, replica)],
            carried[carried_at(first + 1u, chunk, column4, replica)],
            carried[carried_at(first + 2u, chunk, column4, replica)],
            carried[carried_at(first + 3u, chunk, column4, replica)],
            carried[carried_at(first + 4u, chunk, column4, replica)],
            carried[carried_at(first + 5u, chunk, column4, replica)],
            carried[carried_at(first + 6u, chunk, column4, replica)],
            carried[carried_at(first + 7u, chunk, column4, replica)],
        );
    }
    return sums;
}

fn put_sums(sums: Tile, group: u32, chunk: u32, column4: u32, replica: u32) {
    for (var j = 0u; j < 8u; j++) {
        let sample = group * 8u + j;
        if sample < update.batch {
            carried[carried_at(sample, chunk, column4, replica)] = sums[j];
        }
    }
}

// Reads one value of each cache line of a tile.
fn touch(first: u32, end: u32, lane: u32) -> f32 {
    var sum = 0.0;
    for (var i = first + lane * 4u; i < end; i += 32u) { sum += parameters4[i].x; }
    for (var i = first + lane * 4u; i < end; i += 32u) { sum += first_four(i).x; }
    if ADAPTIVE == 1u {
        for (var i = first + lane * 4u; i < end; i += 32u) { sum += second_four(i).x; }
    }
    return sum;
}

fn step_four(place: u32, w: vec4<f32>, gradient: vec4<f32>, now: vec4<f32>) -> vec4<f32> {
    if ADAPTIVE == 1u { return adam_four(place, w, gradient, now); }
    return sgd_four(place, w, gradient, now);
}

fn step_element(element: u32, gradient: f32, now: vec4<f32>) {
    if ADAPTIVE == 1u { adam_element(element, gradient, now); } else { sgd_element(element, gradient, now); }
}

@compute @workgroup_size(8, 1, 1)
fn dense_lanes_update_carry(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let replica = group.z;
    let chunk = group.y;
    let now = schedule[replica * update.steps + update.step];
    if now.x == 0.0 { return; }
    let columns4 = update.columns / 4u;
    let base = replica * update.replica_stride;
    let matrix = (update.weight_offset + base) / 4u;
    let first = chunk * update.chunk_rows;
    let end = min(first + update.chunk_rows, update.rows);
    var touched = 0.0;
    for (var tile = first; tile < end; tile += TILE_ROWS) {
        let tile_end = min(tile + TILE_ROWS, end);
        touched += touch(matrix + tile * columns4, matrix + tile_end * columns4, lane);
        for (var left = 0u; left < columns4; left += 8u) {
            let column4 = left + lane;
            var own0: Tile;
            var sums0: Tile;
            var own1: Tile;
            var sums1: Tile;
            var own2: Tile;
            var sums2: Tile;
            var own3: Tile;
            var sums3: Tile;
            var own4: Tile;
            var sums4: Tile;
            var own5: Tile;
            var sums5: Tile;
            own0 = columns_of(0u, column4, replica);
            sums0 = take_sums(0u, chunk, column4, replica, tile == first);
            if TILE_GROUPS > 1u {
                own1 = columns_of(1u, column4, replica);
                sums1 = take_sums(1u, chunk, column4, replica, tile == first);
            }
            if TILE_GROUPS > 2u {
                own2 = columns_of(2u, column4, replica);
                sums2 = take_sums(2u, chunk, column4, replica, tile == first);
            }
            if TILE_GROUPS > 3u {
                own3 = columns_of(3u, column4, replica);
                sums3 = take_sums(3u, chunk, column4, replica, tile == first);
            }
            if TILE_GROUPS > 4u {
                own4 = columns_of(4u, column4, replica);
                sums4 = take_sums(4u, chunk, column4, replica, tile == first);
            }
            if TILE_GROUPS > 5u {
                own5 = columns_of(5u, column4, replica);
                sums5 = take_sums(5u, chunk, column4, replica, tile == first);
            }
            for (var row = tile; row < tile_end; row++) {
                let a0 = row_values(0u, row, lane, replica);
                var gradient = sum_of_products(own0, a0);
                var a1: Eight;
                if TILE_GROUPS > 1u {
                    a1 = row_values(1u, row, lane, replica);
                    gradient += sum_of_products(own1, a1);
                }
                var a2: Eight;
                if TILE_GROUPS > 2u {
                    a2 = row_values(2u, row, lane, replica);
                    gradient += sum_of_products(own2, a2);
                }
                var a3: Eight;
                if TILE_GROUPS > 3u {
                    a3 = row_values(3u, row, lane, replica);
                    gradient += sum_of_products(own3, a3);
                }
                var a4: Eight;
                if TILE_GROUPS > 4u {
                    a4 = row_values(4u, row, lane, replica);
                    gradient += sum_of_products(own4, a4);
                }
                var a5: Eight;
                if TILE_GROUPS > 5u {
                    a5 = row_values(5u, row, lane, replica);
                    gradient += sum_of_products(own5, a5);
                }
                let place = matrix + row * columns4 + column4;
                let before = parameters4[place];
                let after = step_four(place, before, gradient, now);
                let w = select(after, before, update.carry == CARRY_BEFORE);
                add_products(&sums0, a0, w);
                if TILE_GROUPS > 1u { add_products(&sums1, a1, w); }
                if TILE_GROUPS > 2u { add_products(&sums2, a2, w); }
                if TILE_GROUPS > 3u { add_products(&sums3, a3, w); }
                if TILE_GROUPS > 4u { add_products(&sums4, a4, w); }
                if TILE_GROUPS > 5u { add_products(&sums5, a5, w); }
            }
            put_sums(sums0, 0u, chunk, column4, replica);
            if TILE_GROUPS > 1u { put_sums(sums1, 1u, chunk, column4, replica); }
            if TILE_GROUPS > 2u { put_sums(sums2, 2u, chunk, column4, replica); }
            if TILE_GROUPS > 3u { put_sums(sums3, 3u, chunk, column4, replica); }
            if TILE_GROUPS > 4u { put_sums(sums4, 4u, chunk, column4, replica); }
            if TILE_GROUPS > 5u { put_sums(sums5, 5u, chunk, column4, replica); }
        }
        if update.bias == BIAS_ROWS {
            for (var first = tile + 2u * lane; first < tile_end; first += 16u) {
                for (var row = first; row < min(first + 2u, tile_end); row++) {
                    step_element(update.bias_offset + base + row, bias_gradient_row(row, replica), now);
                }
            }
        }
    }
    if update.bias == BIAS_COLUMNS && chunk == 0u {
        for (var column4 = lane; column4 < columns4; column4 += 8u) {
            let gradient = bias_gradient_columns4(column4, replica);
            for (var i = 0u; i < 4u; i++) {
                step_element(update.bias_offset + base + column4 * 4u + i, gradient[i], now);
            }
        }
    }
    // What was touched has to end somewhere, or the compiler leaves the loads out.
    if lane == 0u {
        let spare = (update.first_chunk + chunk) * update.replicas + replica;
        carried[arrayLength(&carried) - 1u - spare / 4u][spare % 4u] = touched;
    }
}
