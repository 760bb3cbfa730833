//! The k values of the largest magnitude of each line of a tensor, and their places, without reading the lines back.

use super::elementwise::fill;
use crate::gpu::{Buffer, Dispatch, Gpu, Grid, Kernel, RowRange, Tensor, immediates};
use crate::{Error, Result};

immediates! {
    struct Count {
        u32: width, wanted, pass_number, lanes;
    }
}

immediates! {
    struct Pieces {
        u32: width, wanted, length, pieces, first_piece, all_pieces, first;
    }
}

immediates! {
    struct Offset {
        u32: lines, wanted, all_pieces;
    }
}

/// Passes of four bits, and candidates of each.
const PASSES: usize = 8;
const CANDIDATES: usize = 16;

/// Words of a line's state.
const STATE: usize = PASSES + 2;

/// Values that a lane counts at least, so that its sums are worth adding to those of others.
const COUNTED: usize = 512;

/// Lanes that share a line at most.
const MOST_LANES: usize = 1 << 16;

/// Lanes are shared out in whole workgroups of the widest kind.
const LANES: u32 = 32;

/// Values of a piece at least, and pieces of a line at most: one lane adds these up.
const PIECE: usize = 256;
const MOST_PIECES: usize = 4096;

/// What is chosen of lines of one shape, and the memory that it takes to find it.
#[derive(Debug)]
pub struct Selection {
    wanted: usize,
    tallies: Buffer,
    states: Buffer,
    shares: Buffer,
    /// Values of a piece, and pieces of a line.
    length: usize,
    pieces: usize,
    /// `[R, B, k]` u32: where the chosen values of a line are, in order.
    pub places: Buffer,
    /// `[R, B, k]`: the chosen values in the order of their places.
    pub values: Tensor,
}

impl Selection {
    /// Room to choose `wanted` values of each line of tensors like this one, `[R, B, N]`. Errors where it is none or more
    /// than N, and where what is chosen does not fit one binding.
    pub fn new(gpu: &Gpu, like: &Tensor, wanted: usize) -> Result<Self> {
        if wanted == 0 || wanted > like.width {
            return Err(Error::fault(format!("{wanted} values of {} are to be chosen", like.width)));
        }
        let lines = like.replicas * like.batch;
        let length = PIECE.max(like.width.div_ceil(MOST_PIECES));
        let pieces = like.shards.iter().map(|shard| shard.range.len.div_ceil(length)).sum();
        let all = RowRange { start: 0, len: wanted };
        Ok(Self {
            wanted,
            tallies: gpu.zeros("tallies of magnitudes", lines * PASSES * CANDIDATES)?,
            states: gpu.zeros("thresholds", lines * STATE)?,
            shares: gpu.zeros("shares of pieces", lines * pieces * 2)?,
            length,
            pieces,
            places: gpu.zeros("chosen places", lines * wanted)?,
            values: Tensor::zeros_cut(gpu, "chosen values", like.replicas, like.batch, &[all])?,
        })
    }

    /// Chooses of the lines of `source`, which is cut as the tensor that it was made for.
    pub fn plan(&self, gpu: &Gpu, source: &Tensor) -> Result<Vec<Dispatch>> {
        let (lines, wanted) = (self.values.replicas * self.values.batch, self.wanted as u32);
        let mut plan = Vec::new();
        for buffer in [&self.tallies, &self.states] {
            plan.push(fill(gpu, buffer, 0, buffer.len(), 0.0)?);
        }
        for pass_number in 0..PASSES as u32 {
            for shard in &source.shards {
                let width = shard.range.len;
                let lanes = width.div_ceil(COUNTED).min(MOST_LANES);
                let lanes = (lanes as u32).next_multiple_of(LANES);
                let immediates = Count { width: width as u32, wanted, pass_number, lanes };
                let buffers =
                    [("words", &shard.buffer), ("tallies", &self.tallies), ("states", &self.states)];
                let kernel = Kernel::new("largest", "largest_count");
                let dispatch = gpu.dispatch(&kernel, &immediates, &buffers, Grid(lanes, lines as u32, 1))?;
                plan.push(dispatch.with_traffic(lines * width, 0));
            }
        }
        let parts = self.parts(source);
        for (immediates, buffer) in &parts {
            let buffers = [
                ("words", *buffer),
                ("tallies", &self.tallies),
                ("states", &self.states),
                ("shares", &self.shares),
            ];
            let kernel = Kernel::new("largest", "largest_tally");
            let grid = Grid(immediates.pieces, lines as u32, 1);
            let dispatch = gpu.dispatch(&kernel, immediates, &buffers, grid)?;
            plan.push(dispatch.with_traffic(lines * immediates.width as usize, 0));
        }
        let immediates = Offset { lines: lines as u32, wanted, all_pieces: self.pieces as u32 };
        let buffers = [("states", &self.states), ("shares", &self.shares)];
        let kernel = Kernel::new("largest", "largest_offset");
        plan.push(gpu.dispatch(&kernel, &immediates, &buffers, Grid(lines as u32, 1, 1))?);
        let chosen = self.values.single_buffer()?;
        for (immediates, buffer) in &parts {
            let buffers = [
                ("words", *buffer),
                ("states", &self.states),
                ("shares", &self.shares),
                ("places", &self.places),
                ("chosen", chosen),
            ];
            let kernel = Kernel::new("largest", "largest_gather");
            let grid = Grid(immediates.pieces, lines as u32, 1);
            let dispatch = gpu.dispatch(&kernel, immediates, &buffers, grid)?;
            plan.push(dispatch.with_traffic(lines * immediates.width as usize, 0));
        }
        Ok(plan)
    }

    /// The pieces of each shard.
    fn parts<'a>(&self, source: &'a Tensor) -> Vec<(Pieces, &'a Buffer)> {
        let mut first_piece = 0;
        let part = |shard: &'a crate::gpu::TensorShard| {
            let pieces = shard.range.len.div_ceil(self.length) as u32;
            let immediates = Pieces {
                width: shard.range.len as u32,
                wanted: self.wanted as u32,
                length: self.length as u32,
                pieces,
                first_piece,
                all_pieces: self.pieces as u32,
                first: shard.range.start as u32,
            };
            first_piece += pieces;
            (immediates, &shard.buffer)
        };
        source.shards.iter().map(part).collect()
    }
}
