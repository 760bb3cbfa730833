// Count sketches: sums of the values of a line in the cells of a table, and what a table says of each value.
//
// The host sums in doubles, in the order of places, and rounds to f32 once. WGSL has no doubles, and a message has to
// be the same whoever made it, so that doubles are added here by whole numbers, to the same bits. Nothing in this file
// computes with floats, of which adapters may flush the smallest.

// Bits of a float but its sign, and those of what is infinite.
const MAGNITUDE: u32 = 0x7fffffffu;
const INFINITY: u32 = 0x7f800000u;
const SIGN: u32 = 0x80000000u;

// What has been added of values that are no finite numbers.
const PLUS_INFINITY: u32 = 1u;
const MINUS_INFINITY: u32 = 2u;
const NO_NUMBER: u32 = 4u;

// A double with room to round in: (-1)^sign * (high, low) * 2^(exponent - 1085), where the highest bit of the two words
// that is set is the last but one, and those of a double are the 53 from there on. Zero is all zeros.
struct Double {
    special: u32,
    sign: u32,
    exponent: u32,
    high: u32,
    low: u32,
}

// From the two words of a double, the lower one first. None of those here is so small that it has no leading bit: sums
// of floats are multiples of the smallest float.
fn unpacked(words: vec2<u32>) -> Double {
    let exponent = (words.y >> 20u) & 0x7ffu;
    let fraction = words.y & 0xfffffu;
    let sign = words.y >> 31u;
    if exponent == 0u { return Double(0u, 0u, 0u, 0u, 0u); }
    if exponent == 0x7ffu {
        let infinity = select(PLUS_INFINITY, MINUS_INFINITY, sign == 1u);
        return Double(select(infinity, NO_NUMBER, (fraction | words.x) != 0u), 0u, 0u, 0u, 0u);
    }
    return Double(0u, sign, exponent, ((fraction | 0x100000u) << 10u) | (words.x >> 22u), words.x << 10u);
}

fn packed(d: Double) -> vec2<u32> {
    if (d.special & NO_NUMBER) != 0u || d.special == (PLUS_INFINITY | MINUS_INFINITY) {
        return vec2(0u, 0x7ff80000u);
    }
    if d.special != 0u { return vec2(0u, select(0x7ff00000u, 0xfff00000u, d.special == MINUS_INFINITY)); }
    if d.high == 0u { return vec2(0u, 0u); }
    let high = (d.sign << 31u) | (d.exponent << 20u) | ((d.high >> 10u) & 0xfffffu);
    return vec2((d.low >> 10u) | (d.high << 22u), high);
}

// Of a finite float.
fn double_of(word: u32) -> Double {
    let sign = word >> 31u;
    let exponent = (word >> 23u) & 0xffu;
    let fraction = word & 0x7fffffu;
    if exponent != 0u { return Double(0u, sign, exponent + 896u, (fraction | 0x800000u) << 7u, 0u); }
    if fraction == 0u { return Double(0u, 0u, 0u, 0u, 0u); }
    // The smallest floats have no leading bit.
    let shift = countLeadingZeros(fraction) - 8u;
    return Double(0u, sign, 897u - shift, fraction << (shift + 7u), 0u);
}

// To the nearest double, of two the even one.
fn to_nearest(special: u32, sign: u32, exponent: u32, high: u32, low: u32) -> Double {
    let rest = low & 0x3ffu;
    let whole = low & 0xfffffc00u;
    let up = rest > 512u || (rest == 512u && (low & 1024u) != 0u);
    let raised = whole + select(0u, 1024u, up);
    let carried = high + select(0u, 1u, up && raised == 0u);
    // All ones became a one and zeros.
    if carried == SIGN { return Double(special, sign, exponent + 1u, 0x40000000u, 0u); }
    return Double(special, sign, exponent, carried, raised);
}

fn added(sum: Double, word: u32) -> Double {
    var a = sum;
    if (word & MAGNITUDE) >= INFINITY {
        let infinity = select(PLUS_INFINITY, MINUS_INFINITY, (word & SIGN) != 0u);
        a.special |= select(infinity, NO_NUMBER, (word & MAGNITUDE) > INFINITY);
        return a;
    }
    var b = double_of(word);
    if b.high == 0u { return a; }
    b.special = a.special;
    if a.high == 0u { return b; }
    let is_less = a.exponent < b.exponent
        || (a.exponent == b.exponent && (a.high < b.high || (a.high == b.high && a.low < b.low)));
    if is_less {
        let smaller = a;
        a = b;
        b = smaller;
    }
    // The smaller one at the place of the larger one; of what is cut off, a bit says whether there was anything.
    var distance = a.exponent - b.exponent;
    var high = b.high;
    var low = b.low;
    if distance >= 64u {
        high = 0u;
        low = 1u;
    } else {
        var cut = 0u;
        if distance >= 32u {
            cut = low;
            low = high;
            high = 0u;
            distance -= 32u;
        }
        if distance > 0u {
            cut |= low << (32u - distance);
            low = (low >> distance) | (high << (32u - distance));
            high = high >> distance;
        }
        low |= select(0u, 1u, cut != 0u);
    }
    if a.sign == b.sign {
        let sum_low = a.low + low;
        let sum_high = a.high + high + select(0u, 1u, sum_low < low);
        if sum_high < SIGN { return to_nearest(a.special, a.sign, a.exponent, sum_high, sum_low); }
        let half = (sum_low >> 1u) | (sum_high << 31u) | (sum_low & 1u);
        return to_nearest(a.special, a.sign, a.exponent + 1u, sum_high >> 1u, half);
    }
    var rest_low = a.low - low;
    var rest_high = a.high - high - select(0u, 1u, a.low < low);
    if (rest_high | rest_low) == 0u { return Double(a.special, 0u, 0u, 0u, 0u); }
    var exponent = a.exponent;
    if rest_high == 0u {
        // Half of the words at once, and less than a whole word is left.
        rest_high = rest_low >> 1u;
        rest_low = rest_low << 31u;
        exponent -= 31u;
    }
    let shift = countLeadingZeros(rest_high) - 1u;
    if shift > 0u {
        rest_high = (rest_high << shift) | (rest_low >> (32u - shift));
        rest_low = rest_low << shift;
        exponent -= shift;
    }
    return to_nearest(a.special, a.sign, exponent, rest_high, rest_low);
}

struct Summing {
    // Values of a line in this shard, and cells of a line's table.
    width: u32,
    cells: u32,
    // The cells of these rows: the first, and how many.
    first: u32,
    count: u32,
    // 1: sums start from zero, as they do for the first shard of a line.
    fresh: u32,
}
var<immediate> summing: Summing;

// [lines, width], as bits.
@group(0) @binding(0) var<storage, read> words: array<u32>;
// [count + 1]: where the members of each cell start.
@group(0) @binding(1) var<storage, read> starts: array<u32>;
// Cell by cell and in order: twice the place in the shard, and one more where its value is subtracted.
@group(0) @binding(2) var<storage, read> members: array<u32>;
// [lines, cells]: doubles, the lower word first.
@group(0) @binding(3) var<storage, read_write> sums: array<vec2<u32>>;

// A lane adds the members of a cell one after the other, so that there is one order.
@compute @workgroup_size(64, 1, 1)
fn sketch_sum(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let line = id.y;
    for (var cell = id.x; cell < summing.count; cell += groups.x * 64u) {
        let at = line * summing.cells + summing.first + cell;
        var sum = Double(0u, 0u, 0u, 0u, 0u);
        if summing.fresh == 0u { sum = unpacked(sums[at]); }
        let end = starts[cell + 1u];
        for (var i = starts[cell]; i < end; i++) {
            let member = members[i];
            sum = added(sum, words[line * summing.width + (member >> 1u)] ^ (member << 31u));
        }
        sums[at] = packed(sum);
    }
}

struct Telling {
    // Values of a line in this shard, and the place of the first in the line.
    width: u32,
    first: u32,
    rows: u32,
    columns: u32,
    // What hashes are drawn from.
    key_x: u32,
    key_y: u32,
}
var<immediate> telling: Telling;

// [lines, rows, columns], as bits.
@group(0) @binding(0) var<storage, read> tables: array<u32>;
// [lines, width], as bits.
@group(0) @binding(1) var<storage, read_write> estimates: array<u32>;

// begin shared: pcg4d, from random.wgsl
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

// What a row says of the value at a place of the line.
fn said(line: u32, row: u32, place: u32) -> u32 {
    let hash = pcg4d(vec4(place, row, telling.key_x, telling.key_y));
    let cell = (line * telling.rows + row) * telling.columns + hash.x % telling.columns;
    return tables[cell] ^ (hash.y & SIGN);
}

// As whole numbers, finite floats and infinities are in their order; zeros of both signs are one.
fn as_whole(word: u32) -> i32 {
    let magnitude = i32(word & MAGNITUDE);
    return select(magnitude, -magnitude, word >= SIGN);
}

fn is_less(a: u32, b: u32) -> bool {
    return max(a & MAGNITUDE, b & MAGNITUDE) <= INFINITY && as_whole(a) < as_whole(b);
}

fn smaller(a: u32, b: u32) -> u32 {
    return select(b, a, is_less(a, b));
}

fn larger(a: u32, b: u32) -> u32 {
    return select(b, a, is_less(b, a));
}

fn of_three(a: u32, b: u32, c: u32) -> u32 {
    return larger(smaller(a, b), smaller(larger(a, b), c));
}

// Of the smaller ones of two pairs the larger, of the larger ones the smaller, and the fifth.
fn of_five(a: u32, b: u32, c: u32, d: u32, e: u32) -> u32 {
    return of_three(e, larger(smaller(a, b), smaller(c, d)), smaller(larger(a, b), larger(c, d)));
}

// In the order of all floats: zeros by their signs, and what is no number beyond infinities.
fn in_total(word: u32) -> i32 {
    return bitcast<i32>(word ^ select(0u, MAGNITUDE, word >= SIGN));
}

// The one that as many are before as behind. Rows are asked again for each other, which needs no memory of its own.
fn middle(line: u32, place: u32) -> u32 {
    var found = 0u;
    for (var row = 0u; row < telling.rows; row++) {
        let own = said(line, row, place);
        var before = 0u;
        for (var other = 0u; other < telling.rows; other++) {
            let theirs = in_total(said(line, other, place));
            let is_before = theirs < in_total(own) || (theirs == in_total(own) && other < row);
            before += select(0u, 1u, is_before);
        }
        if before == telling.rows / 2u { found = own; }
    }
    return found;
}

// The median over an odd number of rows.
@compute @workgroup_size(64, 1, 1)
fn sketch_tell(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let line = id.y;
    for (var i = id.x; i < telling.width; i += groups.x * 64u) {
        let place = telling.first + i;
        var found = 0u;
        if telling.rows == 5u {
            found = of_five(
                said(line, 0u, place),
                said(line, 1u, place),
                said(line, 2u, place),
                said(line, 3u, place),
                said(line, 4u, place),
            );
        } else if telling.rows == 3u {
            found = of_three(said(line, 0u, place), said(line, 1u, place), said(line, 2u, place));
        } else {
            found = middle(line, place);
        }
        estimates[line * telling.width + i] = found;
    }
}
