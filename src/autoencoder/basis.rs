//! Vectors as long as a model's weights, of which nothing is ever done but products and combinations:
//! snapshots as they lie on the device, and initial weights drawn again from their seed.
//!
//! All of it runs through one tile of some thousand rows, so that initial matrices take no memory.

use crate::Result;
use crate::gpu::{Buffer, Dispatch, Gpu, RowRange, Tensor};
use crate::model::TensorPiece;
use crate::ops::gram::{self, Coefficients, Source, Tile};
use crate::ops::random::{self, Draw, Target};
use nalgebra::DMatrix;

/// Rows of a tile: the terms of an f32 sum before it goes on in f64, and enough to be a dispatch's worth.
const TILE_ROWS: usize = 2048;

/// Bytes of products that are read back at a time.
const PRODUCT_BYTES: usize = 64 << 20;

/// Dispatches of one submit: some tenths of a second at the widest.
const SUBMIT: usize = 16;

/// A matrix of initial weights, `[N, columns]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drawn {
    /// Which numbers.
    pub draw: Draw,
    /// How many columns.
    pub columns: usize,
    /// Whether the tensor's own order is the transpose.
    pub transposed: bool,
}

/// Vectors of N values side by side: all lines of some tensors, then the columns of drawn matrices.
#[derive(Debug)]
pub(super) struct Basis<'a> {
    gpu: &'a Gpu,
    lines: Vec<&'a Tensor>,
    drawn: Vec<Drawn>,
    width: usize,
    tile: Tile,
    /// A tile's rows of each drawn matrix.
    fresh: Vec<Buffer>,
    tile_rows: usize,
}

/// Combinations of the vectors, and where they go: `[N, columns]` in pieces of rows.
#[derive(Debug)]
pub(super) struct Expansion<'a> {
    /// What each column takes of each vector.
    pub coefficients: &'a Coefficients,
    /// Where the rows lie.
    pub pieces: Vec<TensorPiece<'a>>,
    /// Whether they are added to what is there.
    pub accumulate: bool,
}

impl<'a> Basis<'a> {
    /// `lines` are `[1, S, N]` and cut in the same places.
    pub fn new(gpu: &'a Gpu, lines: &[&'a Tensor], drawn: &[Drawn]) -> Result<Self> {
        let width = lines[0].width;
        let vectors = lines.iter().map(|l| l.batch).sum::<usize>()
            + drawn.iter().map(|drawn| drawn.columns).sum::<usize>();
        let row_bytes = 4 * vectors.next_multiple_of(4) as u64;
        let fitting = (gpu.max_binding_bytes() / row_bytes) as usize;
        let tile_rows = TILE_ROWS.min(fitting.max(1)).min(width);
        Ok(Self {
            gpu,
            lines: lines.to_vec(),
            drawn: drawn.to_vec(),
            width,
            tile: Tile::new(gpu, tile_rows, vectors)?,
            fresh: drawn
                .iter()
                .map(|drawn| gpu.zeros("initial weights", tile_rows * drawn.columns))
                .collect::<Result<_>>()?,
            tile_rows,
        })
    }

    /// How many vectors.
    pub fn vectors(&self) -> usize {
        self.lines.iter().map(|l| l.batch).sum::<usize>()
            + self.drawn.iter().map(|drawn| drawn.columns).sum::<usize>()
    }

    /// Runs of rows that fit the tile and that no shard and no piece is cut within.
    fn tiles(&self, cuts: impl Iterator<Item = usize>) -> Vec<RowRange> {
        let shards = self.lines.iter().flat_map(|lines| lines.ranges()).map(|range| range.start);
        let mut starts: Vec<_> = shards.chain(cuts).chain([0, self.width]).collect();
        starts.sort_unstable();
        starts.dedup();
        let within = |part: &[usize]| {
            let (start, end) = (part[0], part[1]);
            let tile = move |at| RowRange { start: at, len: self.tile_rows.min(end - at) };
            (start..end).step_by(self.tile_rows).map(tile).collect::<Vec<_>>()
        };
        starts.windows(2).flat_map(within).collect()
    }

    /// Brings rows of all vectors into the tile.
    fn load(&self, range: RowRange) -> Result<Vec<Dispatch>> {
        let mut dispatches = Vec::new();
        let mut column = 0;
        for lines in &self.lines {
            for shard in lines.shards.iter().filter(|shard| holds(shard.range, range)) {
                let source = Source {
                    buffer: &shard.buffer,
                    first: range.start - shard.range.start,
                    row: 1,
                    column: shard.range.len,
                    columns: lines.batch,
                };
                dispatches.push(gram::pack(self.gpu, source, &self.tile, range.len, column)?);
            }
            column += lines.batch;
        }
        for (drawn, buffer) in self.drawn.iter().zip(&self.fresh) {
            let target = Target {
                buffer,
                replicas: 1,
                offset: 0,
                replica_stride: 0,
                range,
                whole_rows: self.width,
                columns: drawn.columns,
                transposed: drawn.transposed,
            };
            dispatches.push(random::uniform(self.gpu, &target, &drawn.draw)?);
            let source = Source { buffer, first: 0, row: drawn.columns, column: 1, columns: drawn.columns };
            dispatches.push(gram::pack(self.gpu, source, &self.tile, range.len, column)?);
            column += drawn.columns;
        }
        Ok(dispatches)
    }

    /// Products of the first `lines` vectors with all of them, `[lines, M]`: f32 within a tile, f64 from
    /// tile to tile.
    pub fn products(&self, lines: usize) -> Result<DMatrix<f64>> {
        let (stride, vectors) = (self.tile.stride, self.vectors());
        let block = lines * stride;
        let bytes = PRODUCT_BYTES.min(self.gpu.max_binding_bytes() as usize);
        let at_once = (bytes / (4 * block)).max(1);
        let tiles = self.tiles(std::iter::empty());
        let products = self.gpu.zeros("products", block * at_once.min(tiles.len()))?;
        let mut sums = vec![0f64; block];
        for group in tiles.chunks(at_once) {
            for (place, &range) in group.iter().enumerate() {
                let mut dispatches = self.load(range)?;
                let at = place * block;
                dispatches.push(gram::product(self.gpu, &self.tile, range.len, lines, &products, at)?);
                self.gpu.run(&dispatches)?;
            }
            let parts: Vec<f32> = self.gpu.read_part(&products, 0, group.len() * block)?;
            for part in parts.chunks_exact(block) {
                sums.iter_mut().zip(part).for_each(|(sum, &part)| *sum += f64::from(part));
            }
        }
        // What is symmetric was computed once, above the diagonal.
        Ok(DMatrix::from_fn(
            lines,
            vectors,
            |j, k| if k < j { sums[k * stride + j] } else { sums[j * stride + k] },
        ))
    }

    /// The dispatches of combinations, each `[N, columns]`, from one pass over the vectors.
    pub fn expand(&self, expansions: &[Expansion<'_>]) -> Result<Vec<Dispatch>> {
        let cuts = expansions.iter().flat_map(|e| &e.pieces).map(|piece| piece.range.start);
        let mut dispatches = Vec::new();
        for range in self.tiles(cuts) {
            dispatches.extend(self.load(range)?);
            for Expansion { coefficients, pieces, accumulate } in expansions {
                for piece in pieces.iter().filter(|piece| holds(piece.range, range)) {
                    let at = piece.offset + (range.start - piece.range.start) * coefficients.columns();
                    dispatches.push(gram::expand(
                        self.gpu,
                        &self.tile,
                        range.len,
                        coefficients,
                        piece.buffer,
                        at,
                        *accumulate,
                    )?);
                }
            }
        }
        Ok(dispatches)
    }
}

fn holds(whole: RowRange, part: RowRange) -> bool {
    whole.start <= part.start && part.start + part.len <= whole.start + whole.len
}

/// Runs a long list in submits of bounded work.
pub(super) fn run_in_parts(gpu: &Gpu, dispatches: &[Dispatch]) -> Result<()> {
    dispatches.chunks(SUBMIT).try_for_each(|part| gpu.run(part))
}

/// The rows of a tensor `[R, 1, N]`'s replica, as pieces of one column.
pub(super) fn column_pieces(tensor: &Tensor, replica: usize) -> Vec<TensorPiece<'_>> {
    let shards = tensor.shards.iter();
    let at = |range: RowRange| replica * range.len;
    shards.map(|s| TensorPiece { buffer: &s.buffer, offset: at(s.range), range: s.range }).collect()
}
