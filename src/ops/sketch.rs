//! Count sketches of lines of values, and what tables say of the values, to the bits that a host comes to.

use super::elementwise::STREAM_LANES;
use super::random::pcg4d;
use crate::gpu::{Buffer, Dispatch, Gpu, Grid, Kernel, Tensor, immediates};
use crate::{Error, Result};

immediates! {
    struct Summing {
        u32: width, cells, first, count, fresh;
    }
}

immediates! {
    struct Telling {
        u32: width, first, rows, columns, key_x, key_y;
    }
}

/// The shape of tables, and what their hashes are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashing {
    /// Two words that both sides have.
    pub key: [u32; 2],
    /// Rows of a table, each with hashes of its own.
    pub rows: usize,
    /// Cells of a row.
    pub columns: usize,
}

impl Hashing {
    /// Cells of a table, which are fewer than 2^31.
    pub fn cells(self) -> usize {
        self.rows * self.columns
    }

    /// Where a row has the value at a place: twice the column, and one more where the value is subtracted.
    pub fn packed(self, row: usize, place: usize) -> u32 {
        let [column, sign, ..] = pcg4d([place as u32, row as u32, self.key[0], self.key[1]]);
        (column % self.columns as u32) << 1 | sign >> 31
    }

    /// Whether the device tells values from such tables: the median of an even number of rows is a mean, of which
    /// adapters may flush the smallest.
    pub fn is_told_on_device(self) -> bool {
        self.rows % 2 == 1
    }
}

/// Which values each cell adds up, on the device: once for all lines of tensors that are cut alike.
#[derive(Debug)]
pub struct Members {
    hashing: Hashing,
    parts: Vec<Part>,
}

/// Some rows of tables, and one shard of the lines.
#[derive(Debug)]
struct Part {
    shard: usize,
    /// The first cell of these rows, and how many there are.
    first: usize,
    cells: usize,
    /// `[cells + 1]`: where the members of each cell start.
    starts: Buffer,
    /// Cell by cell, in the order of places: twice the place in the shard, and one more where its value is subtracted.
    members: Buffer,
}

impl Members {
    /// Those of the cells of tables for lines like these, `[R, B, N]` with N below 2^31.
    pub fn new(gpu: &Gpu, hashing: Hashing, like: &Tensor) -> Result<Self> {
        let mut parts = Vec::new();
        for (shard, range) in like.ranges().into_iter().enumerate() {
            // As many rows at a time as one binding has room for.
            let together = (gpu.max_binding_bytes() as usize / (4 * range.len)).clamp(1, hashing.rows);
            for row in (0..hashing.rows).step_by(together) {
                let rows = row..hashing.rows.min(row + together);
                let mut starts = vec![0];
                let mut members = vec![0; rows.len() * range.len];
                for (turn, row) in rows.clone().enumerate() {
                    let places = range.start..range.start + range.len;
                    let packed: Vec<_> = places.map(|place| hashing.packed(row, place)).collect();
                    let mut counts = vec![0u32; hashing.columns];
                    packed.iter().for_each(|packed| counts[(packed >> 1) as usize] += 1);
                    let mut next = Vec::with_capacity(hashing.columns);
                    let mut start = (turn * range.len) as u32;
                    for count in counts {
                        next.push(start);
                        start += count;
                        starts.push(start);
                    }
                    for (place, packed) in packed.into_iter().enumerate() {
                        let next = &mut next[(packed >> 1) as usize];
                        members[*next as usize] = (place as u32) << 1 | packed & 1;
                        *next += 1;
                    }
                }
                parts.push(Part {
                    shard,
                    first: row * hashing.columns,
                    cells: rows.len() * hashing.columns,
                    starts: gpu.upload("starts of cells", &starts)?,
                    members: gpu.upload("members of cells", &members)?,
                });
            }
        }
        Ok(Self { hashing, parts })
    }

    /// Room for the tables of so many lines: `[R, rows, columns]` doubles, of two words each.
    pub fn sums(&self, gpu: &Gpu, lines: usize) -> Result<Buffer> {
        gpu.zeros("sums of sketches", 2 * lines * self.hashing.cells())
    }

    /// `sums[r, cell] = sum over the cell's places i, in order, of s(i) values[r, i]` in doubles, for `values` that are cut
    /// as those that this was made for. Lines are R and B of them.
    pub fn sum(&self, gpu: &Gpu, values: &Tensor, sums: &Buffer) -> Result<Vec<Dispatch>> {
        let lines = values.replicas * values.batch;
        if sums.len() < 2 * lines * self.hashing.cells() {
            return Err(Error::fault(format!("{} words are no sums of {lines} tables", sums.len())));
        }
        let dispatch = |part: &Part| {
            let shard = &values.shards[part.shard];
            let immediates = Summing {
                width: shard.range.len as u32,
                cells: self.hashing.cells() as u32,
                first: part.first as u32,
                count: part.cells as u32,
                fresh: (part.shard == 0).into(),
            };
            let buffers = [
                ("words", &shard.buffer),
                ("starts", &part.starts),
                ("members", &part.members),
                ("sums", sums),
            ];
            let grid = Grid((part.cells as u32).min(STREAM_LANES), lines as u32, 1);
            let dispatch = gpu.dispatch(&Kernel::new("sketch", "sketch_sum"), &immediates, &buffers, grid)?;
            let rows = part.cells / self.hashing.columns;
            Ok(dispatch.with_traffic((lines + 1) * rows * shard.range.len, lines * rows * shard.range.len))
        };
        self.parts.iter().map(dispatch).collect()
    }
}

/// The doubles of `count` sums.
pub fn read_sums(gpu: &Gpu, sums: &Buffer, count: usize) -> Result<Vec<f64>> {
    let words: Vec<u32> = gpu.read_part(sums, 0, 2 * count)?;
    let double = |pair: &[u32]| f64::from_bits(u64::from(pair[1]) << 32 | u64::from(pair[0]));
    Ok(words.chunks_exact(2).map(double).collect())
}

/// `estimates[r, i] = median over the rows of s(i) tables[r, row, h(i)]`, for `tables` of `[R, rows, columns]` and lines
/// `[R, B, N]`, of which R times B is the R of tables. Errors where the number of rows is even.
pub fn tell(gpu: &Gpu, hashing: Hashing, tables: &Buffer, estimates: &Tensor) -> Result<Vec<Dispatch>> {
    let lines = estimates.replicas * estimates.batch;
    if !hashing.is_told_on_device() || tables.len() < lines * hashing.cells() {
        let problem = format!("{} values are no {lines} tables of an odd number of rows", tables.len());
        return Err(Error::fault(problem));
    }
    let dispatch = |shard: &crate::gpu::TensorShard| {
        let immediates = Telling {
            width: shard.range.len as u32,
            first: shard.range.start as u32,
            rows: hashing.rows as u32,
            columns: hashing.columns as u32,
            key_x: hashing.key[0],
            key_y: hashing.key[1],
        };
        let buffers = [("tables", tables), ("estimates", &shard.buffer)];
        let grid = Grid((shard.range.len as u32).min(STREAM_LANES), lines as u32, 1);
        let dispatch = gpu.dispatch(&Kernel::new("sketch", "sketch_tell"), &immediates, &buffers, grid)?;
        Ok(dispatch.with_traffic(lines * shard.range.len * (hashing.rows + 1), 0))
    };
    estimates.shards.iter().map(dispatch).collect()
}
