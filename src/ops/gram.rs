//! Products over the long axis of vectors that lie side by side, and linear combinations of them.

use super::elementwise::STREAM_LANES;
use crate::Result;
use crate::gpu::{Buffer, Dispatch, Gpu, Grid, Kernel, immediates};

immediates! {
    struct Pack {
        u32: rows, columns, source_first, source_row, source_column, stride, first_column;
    }
}

immediates! {
    struct Product {
        u32: rows, stride4, lines, first4;
    }
}

immediates! {
    struct Expand {
        u32: rows, stride4, columns, columns4, first, accumulate;
    }
}

/// Lines, or rows, of a lane.
const LANE_ROWS: u32 = 8;

/// Some rows of M vectors side by side, `[rows, stride]`.
#[derive(Clone, Debug)]
pub struct Tile {
    /// The memory. What no vector was packed into is zero.
    pub buffer: Buffer,
    /// M as a multiple of four.
    pub stride: usize,
}

impl Tile {
    /// Room for `rows` rows of `vectors` vectors.
    pub fn new(gpu: &Gpu, rows: usize, vectors: usize) -> Result<Self> {
        let stride = vectors.next_multiple_of(4);
        Ok(Self { buffer: gpu.zeros("tile", rows * stride)?, stride })
    }
}

/// Values that are packed into a tile.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The memory.
    pub buffer: &'a Buffer,
    /// Element of the first row of the first column.
    pub first: usize,
    /// Elements from one row to the next.
    pub row: usize,
    /// Elements from one column to the next.
    pub column: usize,
    /// How many columns.
    pub columns: usize,
}

/// Copies `rows` rows of the source's columns into the tile, from column `first_column` on.
pub fn pack(
    gpu: &Gpu,
    source: Source<'_>,
    tile: &Tile,
    rows: usize,
    first_column: usize,
) -> Result<Dispatch> {
    let immediates = Pack {
        rows: rows as u32,
        columns: source.columns as u32,
        source_first: source.first as u32,
        source_row: source.row as u32,
        source_column: source.column as u32,
        stride: tile.stride as u32,
        first_column: first_column as u32,
    };
    gpu.dispatch(
        &Kernel::new("gram", "gram_pack"),
        &immediates,
        &[("packed", source.buffer), ("tile", &tile.buffer)],
        Grid(((rows * source.columns) as u32).min(STREAM_LANES), 1, 1),
    )
}

/// `into[at + j * stride + k] = sum over the tile's first rows of tile[n, j] tile[n, k]`, for the first
/// `lines` vectors `j` and all `k` from `j` on; what stands before that is left open. `at` is a multiple of
/// four.
pub fn product(
    gpu: &Gpu,
    tile: &Tile,
    rows: usize,
    lines: usize,
    into: &Buffer,
    at: usize,
) -> Result<Dispatch> {
    let stride4 = (tile.stride / 4) as u32;
    let immediates = Product { rows: rows as u32, stride4, lines: lines as u32, first4: (at / 4) as u32 };
    gpu.dispatch(
        &Kernel::new("gram", "gram_product"),
        &immediates,
        &[("tile4", &tile.buffer), ("products4", into)],
        Grid(stride4, (lines as u32).div_ceil(LANE_ROWS), 1),
    )
}

/// Coefficients on the device, `[M, columns]`, padded to multiples of four in both directions.
#[derive(Clone, Debug)]
pub struct Coefficients {
    buffer: Buffer,
    vectors: usize,
    columns: usize,
}

impl Coefficients {
    /// Zeros for `columns` combinations of `vectors` vectors.
    pub fn new(gpu: &Gpu, vectors: usize, columns: usize) -> Result<Self> {
        let elements = vectors.next_multiple_of(4) * columns.next_multiple_of(4);
        Ok(Self { buffer: gpu.zeros("coefficients", elements)?, vectors, columns })
    }

    /// Writes them; `at(m, k)` is what combination `k` takes of vector `m`.
    pub fn write(&self, gpu: &Gpu, at: impl Fn(usize, usize) -> f32) {
        let stride = self.columns.next_multiple_of(4);
        let mut padded = vec![0f32; self.vectors.next_multiple_of(4) * stride];
        for m in 0..self.vectors {
            for k in 0..self.columns {
                padded[m * stride + k] = at(m, k);
            }
        }
        gpu.write(&self.buffer, 0, &padded);
    }

    /// How many combinations.
    pub fn columns(&self) -> usize {
        self.columns
    }
}

/// `into[at + n * columns + k] = sum over m of tile[n, m] coefficients[m, k]` for the tile's first `rows`
/// rows; added to what is there where `accumulate`.
pub fn expand(
    gpu: &Gpu,
    tile: &Tile,
    rows: usize,
    coefficients: &Coefficients,
    into: &Buffer,
    at: usize,
    accumulate: bool,
) -> Result<Dispatch> {
    let columns4 = coefficients.columns.div_ceil(4) as u32;
    let immediates = Expand {
        rows: rows as u32,
        stride4: (tile.stride / 4) as u32,
        columns: coefficients.columns as u32,
        columns4,
        first: at as u32,
        accumulate: accumulate.into(),
    };
    gpu.dispatch(
        &Kernel::new("gram", "gram_expand"),
        &immediates,
        &[("tile4", &tile.buffer), ("coefficients4", &coefficients.buffer), ("expanded", into)],
        Grid(columns4, (rows as u32).div_ceil(LANE_ROWS), 1),
    )
}
