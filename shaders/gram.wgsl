// Products over the long axis N of vectors that lie side by side, and linear combinations of them. Training in
// the span of the snapshots needs nothing else that is N long.
//
// The vectors are seen through a tile: some thousand of their N rows, [rows, M], with M a multiple of four and
// zeros beyond the last vector. What fills a tile is packed into it a few columns at a time.

struct Pack {
    rows: u32,
    columns: u32,
    // Element of the source for row 0 and column 0, and the steps from there.
    source_first: u32,
    source_row: u32,
    source_column: u32,
    // M, and the tile's first column for this source.
    stride: u32,
    first_column: u32,
}
var<immediate> pack: Pack;

@group(0) @binding(0) var<storage, read> packed: array<f32>;
@group(0) @binding(1) var<storage, read_write> tile: array<f32>;

@compute @workgroup_size(64, 1, 1)
fn gram_pack(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    for (var i = id.x; i < pack.rows * pack.columns; i += groups.x * 64u) {
        let row = i / pack.columns;
        let column = i % pack.columns;
        tile[row * pack.stride + pack.first_column + column] =
            packed[pack.source_first + row * pack.source_row + column * pack.source_column];
    }
}

// Lanes of a workgroup: eight for a CPU, a subgroup for a GPU.
const LANES: u32 = 8u;

// Four columns for each of eight lines or rows.
alias Sums = array<vec4<f32>, 8>;

struct Product {
    rows: u32,
    // M / 4
    stride4: u32,
    // Products with the first `lines` vectors are wanted.
    lines: u32,
    // Where this tile's products begin, in groups of four.
    first4: u32,
}
var<immediate> product: Product;

@group(0) @binding(0) var<storage, read> tile4: array<vec4<f32>>;
// [tiles, lines, M]
@group(0) @binding(1) var<storage, read_write> products4: array<vec4<f32>>;

// products[j, k] = sum over n of tile[n, j] tile[n, k], for j <= k and some more: what is symmetric is not
// computed twice. Faster: a lane keeps eight lines by four columns, the lines' values being the same for all
// lanes of a workgroup.
@compute @workgroup_size(LANES, 1, 1)
fn gram_product(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    let line4 = group.y * 2u;
    if id.x >= product.stride4 || (group.x + 1u) * LANES <= line4 { return; }
    let next4 = min(line4 + 1u, product.stride4 - 1u);
    var sums: Sums;
    for (var n = 0u; n < product.rows; n++) {
        let first = n * product.stride4;
        let own = tile4[first + id.x];
        let upper = tile4[first + line4];
        let lower = tile4[first + next4];
        sums[0] += upper.x * own;
        sums[1] += upper.y * own;
        sums[2] += upper.z * own;
        sums[3] += upper.w * own;
        sums[4] += lower.x * own;
        sums[5] += lower.y * own;
        sums[6] += lower.z * own;
        sums[7] += lower.w * own;
    }
    for (var j = 0u; j < 8u; j++) {
        let line = line4 * 4u + j;
        if line < product.lines {
            products4[product.first4 + line * product.stride4 + id.x] = sums[j];
        }
    }
}

struct Expand {
    rows: u32,
    // M / 4
    stride4: u32,
    // Columns of the result, and those of the coefficients in groups of four.
    columns: u32,
    columns4: u32,
    // Element of the result for row 0.
    first: u32,
    // 1: add to what is there.
    accumulate: u32,
}
var<immediate> expand: Expand;

// [M, columns4]
@group(0) @binding(1) var<storage, read> coefficients4: array<vec4<f32>>;
// [rows, columns]
@group(0) @binding(2) var<storage, read_write> expanded: array<f32>;

fn row_at(row: u32) -> u32 {
    return min(row, expand.rows - 1u) * expand.stride4;
}

// expanded[n, k] = sum over m of tile[n, m] coefficients[m, k]. A lane keeps eight rows by four columns.
@compute @workgroup_size(LANES, 1, 1)
fn gram_expand(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    if id.x >= expand.columns4 { return; }
    let row = group.y * 8u;
    let rows = array<u32, 8>(
        row_at(row), row_at(row + 1u), row_at(row + 2u), row_at(row + 3u),
        row_at(row + 4u), row_at(row + 5u), row_at(row + 6u), row_at(row + 7u),
    );
    var sums: Sums;
    for (var m = 0u; m < expand.stride4; m++) {
        let first = m * 4u * expand.columns4 + id.x;
        // Columns of the lane's four by vectors of this turn's four.
        let c = mat4x4<f32>(
            coefficients4[first],
            coefficients4[first + expand.columns4],
            coefficients4[first + 2u * expand.columns4],
            coefficients4[first + 3u * expand.columns4],
        );
        sums[0] += c * tile4[rows[0] + m];
        sums[1] += c * tile4[rows[1] + m];
        sums[2] += c * tile4[rows[2] + m];
        sums[3] += c * tile4[rows[3] + m];
        sums[4] += c * tile4[rows[4] + m];
        sums[5] += c * tile4[rows[5] + m];
        sums[6] += c * tile4[rows[6] + m];
        sums[7] += c * tile4[rows[7] + m];
    }
    for (var i = 0u; i < 8u; i++) {
        if row + i >= expand.rows { return; }
        for (var k = 0u; k < 4u; k++) {
            let column = id.x * 4u + k;
            if column < expand.columns {
                let at = expand.first + (row + i) * expand.columns + column;
                let base = select(0.0, expanded[at], expand.accumulate == 1u);
                expanded[at] = base + sums[i][k];
            }
        }
    }
}
