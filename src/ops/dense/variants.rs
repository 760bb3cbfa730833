//! Which variant of a kernel is used, by class of device and shape.
//!
//! Times of variants are medians of `fedfunnel bench`, by turns on lavapipe (Mesa 22.3.6) with two cores of an Intel
//! Xeon: with vectors of 256 bits, or of 128 where that is said (`LP_NATIVE_VECTOR_WIDTH=128`), as processors without
//! AVX have them. Layers are named by their inputs and outputs.

use crate::gpu::{DeviceClass, Gpu, Grid, Kernel};
use crate::ops::{Moments, Optimizer};

/// A kernel with what the host must know of its tiles.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// The kernel.
    pub kernel: Kernel,
    /// Whether it sees weights and column side as vec4.
    pub by_four: bool,
    /// Whether its lanes run over samples, not rows.
    pub by_sample: bool,
    /// Rows per lane.
    pub tile_rows: u32,
    /// Samples per lane.
    pub tile_batch: u32,
    /// Lanes that share a tile, where rows and samples are theirs together.
    pub lanes: u32,
}

impl Variant {
    const fn naive(shader: &'static str, entry: &'static str) -> Self {
        let kernel = Kernel::new(shader, entry);
        Self { kernel, by_four: false, by_sample: false, tile_rows: 1, tile_batch: 1, lanes: 1 }
    }

    /// The names of the weights and the column side in the WGSL.
    pub fn names(&self) -> (&'static str, &'static str) {
        if self.by_four { ("weights4", "column_side4") } else { ("weights", "column_side") }
    }

    /// Invocations of rows_dot.
    pub fn grid(&self, rows: u32, batch: u32, replicas: u32) -> Grid {
        let (rows, batch) = (rows.div_ceil(self.tile_rows), batch.div_ceil(self.tile_batch));
        if self.by_sample { Grid(batch, rows, replicas) } else { Grid(rows * self.lanes, batch, replicas) }
    }
}

macro_rules! tiled {
    ($shader:literal, $entry:literal, $by_sample:literal, $rows:literal, $batch:literal) => {
        Variant {
            kernel: Kernel::new($shader, $entry).tiled(&[("TILE_ROWS", $rows), ("TILE_BATCH", $batch)]),
            ..lanes($shader, $entry, $by_sample, $rows, $batch)
        }
    };
}

/// A variant whose workgroups share out the columns of a tile; cells of four samples side by side, of sixteen.
macro_rules! split {
    ($cells:literal) => {
        Variant {
            kernel: Kernel::new("dense", "dense_rows_dot_split").tiled(&[("SAMPLE_CELLS", $cells)]),
            lanes: 64,
            ..lanes("dense", "dense_rows_dot_split", false, 64 / $cells, 4 * $cells)
        }
    };
}

/// A variant whose lanes share what they load; rows and samples per lane or per broadcast.
const fn lanes(
    shader: &'static str,
    entry: &'static str,
    by_sample: bool,
    tile_rows: u32,
    tile_batch: u32,
) -> Variant {
    Variant { by_four: true, by_sample, tile_rows, tile_batch, ..Variant::naive(shader, entry) }
}

/// A variant whose lanes keep `own` rows each and broadcast `eights` times eight samples, or the other way round.
macro_rules! shared {
    ($entry:literal, $by_sample:literal: $(($own:literal, $eights:literal)),+) => {
        [$(Variant {
            kernel: Kernel::new("dense_lanes", $entry).tiled(&[("TILE_OWN", $own), ("TILE_EIGHTS", $eights)]),
            ..if $by_sample {
                lanes("dense_lanes", $entry, true, 8 * $eights, $own)
            } else {
                lanes("dense_lanes", $entry, false, $own, 8 * $eights)
            }
        }),+]
    };
}

/// A kernel that updates, for moments kept in this form.
fn with_moments(kernel: Kernel, moments: Moments) -> Kernel {
    match moments {
        Moments::F32 => kernel,
        Moments::Bf16 => kernel.with_section("moments", "moments_bf16"),
    }
}

/// Every variant there is, for the tests and benches; with moments in f32.
pub const ALL: &[Variant] = &[
    LANES_ROWS_DOT[0],
    LANES_ROWS_DOT[1],
    LANES_ROWS_DOT_BY_SAMPLE[0],
    LANES_ROWS_DOT_BY_SAMPLE[1],
    LANES_ROWS_DOT_BY_SAMPLE[2],
    LANES_ROWS_DOT_BY_SAMPLE[3],
    LANES_ROWS_SUM,
    LANES_UPDATE_ADAM,
    LANES_UPDATE_SGD,
    ROWS_DOT_NAIVE,
    ROWS_DOT_BY_SAMPLE,
    SPLIT_ROWS_DOT[0],
    SPLIT_ROWS_DOT[1],
    SPLIT_ROWS_DOT[2],
    ROWS_SUM_NAIVE,
    ROWS_SUM,
    UPDATE_ADAM_NAIVE,
    UPDATE_ADAM,
    UPDATE_SGD_NAIVE,
    UPDATE_SGD,
];
/// The readable reference, and the only one for columns or places that are no multiples of four. 784-20, batch 64:
/// 2.53 ms.
const ROWS_DOT_NAIVE: Variant = Variant::naive("dense", "dense_rows_dot_naive");
/// For few rows on a processor whose lanes cannot share. 784-20 at 128 bits: 0.36 ms at batch 64 and 2.3 ms at 500,
/// where the best split variant takes 0.56 ms and 3.6 ms, and the naive one 2.53 ms and 19.7 ms.
const ROWS_DOT_BY_SAMPLE: Variant = tiled!("dense", "dense_rows_dot_by_sample", true, 5, 4);
/// With 1, 2 and 4 cells side by side: for up to 4 samples, up to 8, and more on a GPU (not measured: no GPU at hand).
/// On a processor whose lanes cannot share the first of them is for matrices of many rows: 320-550,570 at 128 bits
/// and one sample takes 300 ms, where a tile of two rows by eight samples in each lane took 760 ms and lanes over
/// samples take 1,130 ms; 32-15,910 and 20 samples 7.8 ms, where those took 8.7 and take 8.2 ms.
const SPLIT_ROWS_DOT: [Variant; 3] = [split!(1), split!(2), split!(4)];
/// The readable reference, for any columns. 15,910-32, 20 samples: 24.8 ms.
const ROWS_SUM_NAIVE: Variant = Variant::naive("dense", "dense_rows_sum_naive");
/// The same product in 4.9 ms, also at 128 bits. On a GPU: not measured, no GPU at hand.
const ROWS_SUM: Variant = tiled!("dense", "dense_rows_sum", false, 2, 8);
/// The readable reference, for any columns. Gradient and Adam of 784-20, batch 64: 2.7 ms.
const UPDATE_ADAM_NAIVE: Variant = Variant::naive("dense_update", "dense_update_adam_naive");
/// The same in 0.79 ms, at 128 bits in 0.69 ms instead of 3.5 ms. On a GPU: not measured, no GPU at hand.
const UPDATE_ADAM: Variant = tiled!("dense_update", "dense_update_adam", false, 4, 1);
/// Those of SGD form the same gradient.
const UPDATE_SGD_NAIVE: Variant = Variant::naive("dense_update", "dense_update_sgd_naive");
const UPDATE_SGD: Variant = tiled!("dense_update", "dense_update_sgd", false, 4, 1);

/// For many rows: 32-15,910 and 20 samples in 3.9 ms, where no variant whose lanes do not share takes less than 7.8 ms.
/// The second loads a matrix of many samples less often: on Mesa 25.0.7 that layer takes 0.8 of what it takes by the
/// first, while a decoder of one sample takes 1.1.
const LANES_ROWS_DOT: [Variant; 2] = shared!("dense_lanes_rows_dot", false: (2, 1), (4, 1));
/// For few rows: 784-20 and 64 samples in 0.20 ms, where the one above takes 0.26 ms and lanes that do not share 0.34
/// ms. The larger ones load less for each product: on Mesa 25.0.7 512-512 and 512 samples take 7.0 ms by the first and
/// 4.6 by the last, 784-20 and 64 samples 0.105 ms by the first and 0.083 by the third.
const LANES_ROWS_DOT_BY_SAMPLE: [Variant; 4] =
    shared!("dense_lanes_rows_dot_by_sample", true: (2, 1), (4, 1), (8, 1), (8, 2));
/// 15,910-32 and 20 samples in 2.2 ms, where `ROWS_SUM` takes 4.9 ms.
const LANES_ROWS_SUM: Variant = lanes("dense_lanes", "dense_lanes_rows_sum", false, 1, 8);
/// Gradient and Adam of 784-20, batch 64, in 0.41 ms, where `UPDATE_ADAM` takes 0.79 ms.
const LANES_UPDATE_ADAM: Variant = lanes("dense_update_lanes", "dense_lanes_update_adam", false, 8, 1);
const LANES_UPDATE_SGD: Variant = lanes("dense_update_lanes", "dense_lanes_update_sgd", false, 8, 1);

/// For `rows` rows and `batch` samples.
pub fn rows_dot(gpu: &Gpu, by_four: bool, rows: usize, batch: usize) -> Variant {
    if !by_four {
        return ROWS_DOT_NAIVE;
    }
    let few_rows = rows < 2 * batch && batch >= 8;
    match gpu.class() {
        DeviceClass::Gpu => SPLIT_ROWS_DOT[usize::from(batch > 4) + usize::from(batch > 8)],
        DeviceClass::CpuLanes if few_rows => sharing_by_sample(rows, batch),
        DeviceClass::CpuLanes => LANES_ROWS_DOT[usize::from(batch >= 8)],
        DeviceClass::CpuPlain if few_rows => ROWS_DOT_BY_SAMPLE,
        DeviceClass::CpuPlain => SPLIT_ROWS_DOT[0],
    }
}

/// The largest tile that neither adds up more samples that are not there than the smallest does, nor leaves too few
/// workgroups for the processor.
fn sharing_by_sample(rows: usize, batch: usize) -> Variant {
    let fits = |variant: &&Variant| {
        let samples = |tile_batch: u32| batch.next_multiple_of(8 * tile_batch as usize);
        let smallest = &LANES_ROWS_DOT_BY_SAMPLE[0];
        let workgroups =
            batch.div_ceil(8 * variant.tile_batch as usize) * rows.div_ceil(variant.tile_rows as usize);
        let is_busy = variant.tile_rows == smallest.tile_rows || workgroups >= 8;
        samples(variant.tile_batch) == samples(smallest.tile_batch) && is_busy
    };
    *LANES_ROWS_DOT_BY_SAMPLE.iter().rev().find(fits).unwrap_or(&LANES_ROWS_DOT_BY_SAMPLE[0])
}

/// For any shape.
pub fn rows_sum(gpu: &Gpu, by_four: bool) -> Variant {
    if !by_four {
        ROWS_SUM_NAIVE
    } else if gpu.class().shares_loads() {
        LANES_ROWS_SUM
    } else {
        ROWS_SUM
    }
}

/// For this optimiser. Moments other than f32 are for kernels that take four at a time.
pub fn update(gpu: &Gpu, by_four: bool, optimizer: &Optimizer) -> Variant {
    let [sgd, adam] = if !by_four {
        [UPDATE_SGD_NAIVE, UPDATE_ADAM_NAIVE]
    } else if gpu.class().shares_loads() {
        [LANES_UPDATE_SGD, LANES_UPDATE_ADAM]
    } else {
        [UPDATE_SGD, UPDATE_ADAM]
    };
    let variant = if optimizer.is_adaptive() { adam } else { sgd };
    Variant { kernel: with_moments(variant.kernel, optimizer.moments), ..variant }
}

/// Adds so many chunks up and finishes their sums. The kernel, and how many lanes share a column.
pub fn finish(gpu: &Gpu, chunks: u32) -> (Kernel, u32) {
    if !gpu.class().is_cpu() && chunks >= 32 {
        (FINISH_SPLIT, 16)
    } else {
        (Kernel::new("dense", "dense_finish"), 1)
    }
}

/// For many chunks on a GPU: not measured, no GPU at hand.
const FINISH_SPLIT: Kernel = Kernel::new("dense", "dense_finish_split");

/// How many rows one lane of rows_sum adds up: few enough to keep the device busy, and never so
/// few that adding up the chunks, `sum_bytes` each, is the work or that those fill a binding. Never more
/// than lavapipe's compiler allows a loop to take: it leaves every loop, silently, after 65,535 rounds.
pub fn rows_per_chunk(gpu: &Gpu, rows: usize, replicas: usize, sum_bytes: usize) -> usize {
    let chunks_wanted = if gpu.class().is_cpu() { 8 } else { 2_048 } / replicas;
    let chunks_held = gpu.max_binding_bytes() as usize / (2 * sum_bytes);
    rows.div_ceil(chunks_wanted.min(chunks_held).max(1)).clamp(64, 32_768)
}

/// A kernel that updates and carries on.
#[derive(Clone, Copy, Debug)]
pub struct CarryVariant {
    /// The kernel.
    pub kernel: Kernel,
    /// Whether a workgroup goes over whole rows; otherwise lanes run over groups of four columns.
    pub row_in_workgroup: bool,
}

/// SGD's and Adam's kernel for each size of a tile.
macro_rules! carry {
    ($kernel:expr, $row_in_workgroup:literal, $tile:literal: $($size:literal),+) => {
        [$([
            carry!($kernel, $row_in_workgroup, $tile, $size, 0),
            carry!($kernel, $row_in_workgroup, $tile, $size, 1),
        ]),+]
    };
    ($kernel:expr, $row_in_workgroup:literal, $tile:literal, $size:literal, $adaptive:literal) => {
        CarryVariant {
            kernel: $kernel.tiled(&[($tile, $size), ("ADAPTIVE", $adaptive)]),
            row_in_workgroup: $row_in_workgroup,
        }
    };
}

/// For batches of up to 8, 16, ... samples; SGD's and Adam's. Gradient, Adam and input gradient of 320-91,762 and 8
/// samples in 212 ms, where `CARRY` takes 282 ms.
const LANES_CARRY: [[CarryVariant; 2]; 6] = carry!(
    Kernel::new("dense_update_lanes", "dense_lanes_update_carry"), true, "TILE_GROUPS": 1, 2, 3, 4, 5, 6
);
/// The same; a GPU's lane has registers for no more (not measured: no GPU at hand). At 128 bits: 292 ms.
const CARRY: [[CarryVariant; 2]; 2] =
    carry!(Kernel::new("dense_update", "dense_update_carry"), false, "TILE_BATCH": 8, 16);

/// Fewer rows than this are not worth the chunks.
const FEWEST_CARRY_ROWS: usize = 256;

/// For a matrix of `rows` rows and `batch` samples, where there is one.
pub fn carry(
    gpu: &Gpu,
    by_four: bool,
    [rows, columns]: [usize; 2],
    batch: usize,
    optimizer: &Optimizer,
) -> Option<CarryVariant> {
    if !by_four || rows < FEWEST_CARRY_ROWS {
        return None;
    }
    // Eight lanes take four columns each.
    let lanes = gpu.class().shares_loads() && columns.is_multiple_of(32);
    let variants: &[[CarryVariant; 2]] = if lanes { &LANES_CARRY } else { &CARRY };
    let variant =
        variants.get(batch.div_ceil(8) - 1).map(|pair| pair[usize::from(optimizer.is_adaptive())])?;
    Some(CarryVariant { kernel: with_moments(variant.kernel, optimizer.moments), ..variant })
}

/// Every kernel that updates and carries on, for the tests and benches; with moments in f32.
pub fn all_carry() -> impl Iterator<Item = CarryVariant> {
    LANES_CARRY.into_iter().chain(CARRY).flatten()
}

/// Every kernel that updates moments kept as bf16, for the tests.
pub fn all_bf16() -> impl Iterator<Item = Kernel> {
    let updates =
        [UPDATE_ADAM, UPDATE_SGD, LANES_UPDATE_ADAM, LANES_UPDATE_SGD].map(|variant| variant.kernel);
    let carry = all_carry().map(|variant| variant.kernel);
    updates.into_iter().chain(carry).map(|kernel| with_moments(kernel, Moments::Bf16))
}

impl CarryVariant {
    /// How many rows a workgroup goes over: whole tiles, enough workgroups to keep the device busy, no more of
    /// them than leave their sums, `sum_bytes` each, in one binding, and never so many rows that lavapipe's
    /// compiler leaves the loops (after 65,535 rounds). `None` where there is no such number.
    pub fn rows_per_chunk(&self, gpu: &Gpu, rows: usize, columns: usize, sum_bytes: usize) -> Option<usize> {
        let wanted = if gpu.class().is_cpu() { 384 } else { 8_192 };
        let tile = if self.row_in_workgroup { 128 } else { 16 };
        // Shards end in the midst of chunks; half of the room is left for that, and for what lies behind the sums.
        let chunks = wanted.min(gpu.max_binding_bytes() as usize / (2 * sum_bytes)).max(1);
        // Rounds for each row: one for each 32 columns, and about as many to touch them.
        let rounds = columns.div_ceil(32) * 2 + 2;
        let chunk_rows = rows.div_ceil(chunks).next_multiple_of(tile);
        (chunk_rows * rounds < 60_000).then_some(chunk_rows)
    }
}

/// A kernel for the last layer with its loss.
#[derive(Clone, Copy, Debug)]
pub struct ResidualVariant {
    /// The kernel.
    pub kernel: Kernel,
    /// Samples for which it loads the matrix once.
    pub tile_batch: usize,
}

macro_rules! residual {
    ($($groups:literal),+) => {
        [$(ResidualVariant {
            kernel: Kernel::new("dense_lanes", "dense_lanes_residual").tiled(&[("TILE_GROUPS", $groups)]),
            tile_batch: 8 * $groups,
        }),+]
    };
}

/// For tiles of up to 8, 16, ... samples. A shard of the wide autoencoder, 320-91,762, takes 16.7 ms at batch 8 and 52
/// ms at batch 40, where a kernel of eight samples at a time took 18.8 and 97 ms.
const LANES_RESIDUAL: [ResidualVariant; 6] = residual!(1, 2, 3, 4, 5, 6);

/// The last layer with its loss, where there is a kernel for that: as few tiles of samples as can be, and no
/// larger ones than those take.
pub fn residual(gpu: &Gpu, by_four: bool, batch: usize) -> Option<ResidualVariant> {
    let groups = batch.div_ceil(8);
    let tiles = groups.div_ceil(LANES_RESIDUAL.len());
    (by_four && gpu.class().shares_loads()).then(|| LANES_RESIDUAL[groups.div_ceil(tiles) - 1])
}

/// Every kernel of the last layer with its loss, for the tests and benches.
pub fn all_residual() -> impl Iterator<Item = ResidualVariant> {
    LANES_RESIDUAL.into_iter()
}
