//! Dense layers, shard by shard: forward, input gradient, and the update that needs no gradient buffer.

mod carry;
mod residual;
mod update;
pub mod variants;

pub use carry::Carry;

use super::{Activated, Activation, Arena, Optimizer};
use crate::gpu::{Buffer, Dispatch, Gpu, Grid, RowRange, SMALLER, Tensor, immediates, split_rows};
use crate::{Error, Result};
use variants::Variant;

immediates! {
    struct Product {
        u32: batch, rows, row_side_width, row_side_first, columns, weight_offset, replica_stride, bias_offset,
             bias, epilogue, activation, chunk_rows, first_chunk, chunks, replicas, steps, step, whole_width;
    }
}

/// Which side of a layer its stored rows stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowsAre {
    /// Stored `[O, I]`, as PyTorch does.
    Outputs,
    /// Stored `[I, O]`: a wide layer that narrows.
    Inputs,
}

/// A run of rows of a layer's matrix and where it lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DenseShard {
    /// Which rows.
    pub range: RowRange,
    /// Which arena of the model's parameters.
    pub arena: usize,
    /// Element of replica 0's first weight.
    pub weight_offset: usize,
    /// Element of replica 0's first bias: this shard's outputs, or (rows are inputs) all of them, in the
    /// first shard only.
    pub bias_offset: Option<usize>,
}

/// A dense layer's shape and place.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// I
    pub inputs: usize,
    /// O
    pub outputs: usize,
    /// How the matrix lies.
    pub rows_are: RowsAre,
    /// The activation of the sums.
    pub activation: Activation,
    /// Factor on the optimiser's rate.
    pub rate_scale: f32,
    /// The pieces of the matrix.
    pub shards: Vec<DenseShard>,
}

const EPILOGUE_NONE: u32 = 0;
const EPILOGUE_FORWARD: u32 = 1;
const EPILOGUE_BACKWARD: u32 = 2;
const BIAS_NONE: u32 = 0;
const BIAS_ROWS: u32 = 1;
const BIAS_COLUMNS: u32 = 2;

/// The last operation on the sums of a product.
enum Epilogue<'a> {
    /// Nothing: they are a part of larger sums.
    Part,
    /// Bias and activation.
    Forward,
    /// The derivative of the activation that these outputs came out of.
    Backward(Activated<'a>),
}

impl Dense {
    /// A layer that has no place among the parameters yet.
    pub fn new(inputs: usize, outputs: usize, rows_are: RowsAre, activation: Activation) -> Self {
        Self { inputs, outputs, rows_are, activation, rate_scale: 1.0, shards: Vec::new() }
    }

    /// N
    pub fn rows(&self) -> usize {
        match self.rows_are {
            RowsAre::Outputs => self.outputs,
            RowsAre::Inputs => self.inputs,
        }
    }

    /// K
    pub fn columns(&self) -> usize {
        match self.rows_are {
            RowsAre::Outputs => self.inputs,
            RowsAre::Inputs => self.outputs,
        }
    }

    fn bias(&self, shard: &DenseShard) -> (u32, u32) {
        match (shard.bias_offset, self.rows_are) {
            (None, _) => (BIAS_NONE, 0),
            (Some(offset), RowsAre::Outputs) => (BIAS_ROWS, offset as u32),
            (Some(offset), RowsAre::Inputs) => (BIAS_COLUMNS, offset as u32),
        }
    }

    /// `output [R, B, O] = activation(input [R, B, I] W^T + b)`
    pub fn forward(
        &self,
        gpu: &Gpu,
        arenas: &[Arena],
        input: &Tensor,
        output: &Tensor,
    ) -> Result<Vec<Dispatch>> {
        match self.rows_are {
            RowsAre::Outputs => self.rows_dot(gpu, arenas, input, output, &Epilogue::Forward),
            RowsAre::Inputs => self.rows_sum(gpu, arenas, input, output, &Epilogue::Forward),
        }
    }

    /// `input_gradient [R, B, I] = (output_gradient [R, B, O] W) * f'(input)`: the gradient before the
    /// activation `f` that `input` came out of.
    pub fn backward_input(
        &self,
        gpu: &Gpu,
        arenas: &[Arena],
        output_gradient: &Tensor,
        input: Activated<'_>,
        input_gradient: &Tensor,
    ) -> Result<Vec<Dispatch>> {
        let epilogue = Epilogue::Backward(input);
        match self.rows_are {
            RowsAre::Outputs => self.rows_sum(gpu, arenas, output_gradient, input_gradient, &epilogue),
            RowsAre::Inputs => self.rows_dot(gpu, arenas, output_gradient, input_gradient, &epilogue),
        }
    }

    fn product(
        &self,
        shard: &DenseShard,
        arena: &Arena,
        row_side: &Tensor,
        epilogue: &Epilogue<'_>,
    ) -> Result<Product> {
        let (bias, bias_offset) = self.bias(shard);
        let (epilogue, activation) = match epilogue {
            Epilogue::Part => (EPILOGUE_NONE, Activation::Linear),
            Epilogue::Forward => (EPILOGUE_FORWARD, self.activation),
            Epilogue::Backward(input) => (EPILOGUE_BACKWARD, input.activation),
        };
        let (_, row_side_width, row_side_first) = row_side_of(row_side, shard.range)?;
        Ok(Product {
            batch: row_side.batch as u32,
            rows: shard.range.len as u32,
            row_side_width,
            row_side_first,
            columns: self.columns() as u32,
            weight_offset: shard.weight_offset as u32,
            replica_stride: arena.stride as u32,
            bias_offset,
            bias,
            epilogue,
            activation: activation.code(),
            chunk_rows: shard.range.len as u32,
            chunks: 1,
            replicas: row_side.replicas as u32,
            ..Default::default()
        })
    }

    /// A shard in pieces that have a workgroup for every tile of the variant, which comes with each: a device allows
    /// some 65,535.
    fn pieces(&self, gpu: &Gpu, shard: &DenseShard, variant: Variant) -> Vec<(DenseShard, Variant)> {
        // Whole tiles, so that no two of them share the memory of a row's bias.
        let tile = variant.tile_rows as usize;
        let tiles = split_rows(shard.range.len.div_ceil(tile), 1, u64::from(gpu.max_workgroups()));
        let ranges = tiles.unwrap_or_default().into_iter().map(|tiles| {
            let start = tiles.start * tile;
            RowRange { start, len: (tiles.len * tile).min(shard.range.len - start) }
        });
        let piece = |range: RowRange| DenseShard {
            range: RowRange { start: shard.range.start + range.start, len: range.len },
            arena: shard.arena,
            weight_offset: shard.weight_offset + range.start * self.columns(),
            bias_offset: match self.rows_are {
                RowsAre::Outputs => shard.bias_offset.map(|offset| offset + range.start),
                RowsAre::Inputs => shard.bias_offset.filter(|_| range.start == 0),
            },
        };
        ranges.map(|range| (piece(range), variant)).collect()
    }

    /// Notes what a pass over a shard's matrix costs that reads it, or updates it by an optimiser: every value of
    /// matrix and row side once, a multiplication and an addition of each weight for each sample.
    fn with_cost(
        &self,
        dispatch: Dispatch,
        shard: &DenseShard,
        row_side: &Tensor,
        optimizer: Option<&Optimizer>,
    ) -> Dispatch {
        let weights = row_side.replicas * shard.range.len * self.columns();
        let rows = row_side.replicas * row_side.batch * shard.range.len;
        let moved = optimizer.map_or(weights, |optimizer| optimizer.values_moved(weights));
        dispatch.with_traffic(moved + rows, 2 * weights * row_side.batch)
    }

    /// Whether kernels may take all of its weights and biases four at a time.
    pub(crate) fn takes_fours(&self, arenas: &[Arena]) -> bool {
        self.shards.iter().all(|shard| self.by_four(shard, &arenas[shard.arena]))
    }

    fn by_four(&self, shard: &DenseShard, arena: &Arena) -> bool {
        self.columns().is_multiple_of(4)
            && shard.weight_offset.is_multiple_of(4)
            && arena.stride.is_multiple_of(4)
    }

    fn rows_dot(
        &self,
        gpu: &Gpu,
        arenas: &[Arena],
        column_side: &Tensor,
        row_side: &Tensor,
        epilogue: &Epilogue<'_>,
    ) -> Result<Vec<Dispatch>> {
        let (batch, replicas) = (row_side.batch as u32, row_side.replicas as u32);
        let columns = column_side.single_buffer()?;
        self.shards
            .iter()
            .flat_map(|shard| {
                let by_four = self.by_four(shard, &arenas[shard.arena]);
                self.pieces(gpu, shard, variants::rows_dot(gpu, by_four, shard.range.len, batch as usize))
            })
            .map(|(shard, variant)| {
                let arena = &arenas[shard.arena];
                let immediates = self.product(&shard, arena, row_side, epilogue)?;
                let (sums, ..) = row_side_of(row_side, shard.range)?;
                // Without a derivative to take, the gate is any buffer that is not written.
                let gate = match epilogue {
                    Epilogue::Part | Epilogue::Forward => columns,
                    Epilogue::Backward(input) => row_side_of(input.values, shard.range)?.0,
                };
                let (weights, column_side) = variant.names();
                let dispatch = gpu.dispatch(
                    &variant.kernel,
                    &immediates,
                    &[(weights, &arena.buffer), (column_side, columns), ("gate", gate), ("sums", sums)],
                    variant.grid(shard.range.len as u32, batch, replicas),
                )?;
                Ok(self.with_cost(dispatch, &shard, row_side, None))
            })
            .collect()
    }

    fn rows_sum(
        &self,
        gpu: &Gpu,
        arenas: &[Arena],
        row_side: &Tensor,
        column_side: &Tensor,
        epilogue: &Epilogue<'_>,
    ) -> Result<Vec<Dispatch>> {
        let (batch, replicas, columns) =
            (row_side.batch as u32, row_side.replicas as u32, self.columns() as u32);
        let result = column_side.single_buffer()?;
        let sum_bytes = 4 * (replicas * batch * columns) as usize;
        let chunk_rows = variants::rows_per_chunk(gpu, self.rows(), replicas as usize, sum_bytes);
        let chunks_of = |shard: &DenseShard| shard.range.len.div_ceil(chunk_rows) as u32;
        let chunks: u32 = self.shards.iter().map(chunks_of).sum();
        // Chunks that one binding holds, of which a later turn begins with the sums of those before it.
        let fewest = 1 + self.shards.iter().map(chunks_of).max().unwrap_or(0);
        let held = ((gpu.max_binding_bytes() / sum_bytes as u64) as u32).max(fewest);
        let buffers = match chunks {
            1 => 0,
            _ if chunks <= held => 1,
            _ => 2,
        };
        let partial = (0..buffers)
            .map(|_| gpu.zeros("partial sums", chunks.min(held) as usize * sum_bytes / 4))
            .collect::<Result<Vec<_>>>()?;
        let finish = |sums: (&Buffer, u32), into: &Buffer, epilogue: &Epilogue<'_>| {
            self.finish(gpu, &arenas[self.shards[0].arena], row_side, sums, into, epilogue)
        };
        let mut dispatches = Vec::new();
        let (mut turn, mut filled) = (0, 0);
        for shard in &self.shards {
            let arena = &arenas[shard.arena];
            if buffers == 2 && filled + chunks_of(shard) > held {
                let [from, into] = [turn % 2, (turn + 1) % 2].map(|place: usize| &partial[place]);
                dispatches.push(finish((from, filled), into, &Epilogue::Part)?);
                (turn, filled) = (turn + 1, 1);
            }
            let (rows, ..) = row_side_of(row_side, shard.range)?;
            let mut immediates = self.product(shard, arena, row_side, epilogue)?;
            (immediates.chunk_rows, immediates.first_chunk, immediates.chunks) =
                (chunk_rows as u32, filled, chunks);
            if chunks > 1 {
                immediates.epilogue = EPILOGUE_NONE;
            }
            let gate = self.gate_of_columns(epilogue, rows)?;
            let variant = variants::rows_sum(gpu, self.by_four(shard, arena));
            let (weights, _) = variant.names();
            let tiles = batch.div_ceil(variant.tile_batch);
            let lanes = columns / if variant.by_four { 4 } else { 1 };
            let dispatch = gpu.dispatch(
                &variant.kernel,
                &immediates,
                &[
                    (weights, &arena.buffer),
                    ("row_side", rows),
                    ("gate", gate),
                    ("sums", partial.get(turn % 2).unwrap_or(result)),
                ],
                Grid(lanes, tiles * chunks_of(shard), replicas),
            )?;
            dispatches.push(self.with_cost(dispatch, shard, row_side, None));
            filled += chunks_of(shard);
        }
        if let Some(last) = partial.get(turn % 2) {
            dispatches.push(finish((last, filled), result, epilogue)?);
        }
        Ok(dispatches)
    }

    /// Adds up the sums of so many chunks, `[chunks, R, B, K]`, and finishes them. `arena` is that of the first shard,
    /// where the bias of columns is.
    fn finish(
        &self,
        gpu: &Gpu,
        arena: &Arena,
        row_side: &Tensor,
        (sums, chunks): (&Buffer, u32),
        result: &Buffer,
        epilogue: &Epilogue<'_>,
    ) -> Result<Dispatch> {
        let mut immediates = self.product(&self.shards[0], arena, row_side, epilogue)?;
        immediates.chunks = chunks;
        let gate = self.gate_of_columns(epilogue, sums)?;
        let (kernel, lanes) = variants::finish(gpu, chunks);
        gpu.dispatch(
            &kernel,
            &immediates,
            &[("weights", &arena.buffer), ("chunk_sums", sums), ("gate", gate), ("sums", result)],
            Grid(self.columns() as u32, row_side.batch as u32 * lanes, row_side.replicas as u32),
        )
    }

    fn gate_of_columns<'a>(&self, epilogue: &Epilogue<'a>, spare: &'a Buffer) -> Result<&'a Buffer> {
        match epilogue {
            Epilogue::Part | Epilogue::Forward => Ok(spare),
            Epilogue::Backward(input) => input.values.single_buffer(),
        }
    }
}

/// Where a run of rows lies in the row side: the buffer, its width, and the first row's place in it.
fn row_side_of(tensor: &Tensor, range: RowRange) -> Result<(&Buffer, u32, u32)> {
    match tensor.shards.iter().find(|shard| shard.range.holds(range)) {
        Some(shard) => Ok((&shard.buffer, shard.range.len as u32, (range.start - shard.range.start) as u32)),
        None => {
            let whole = format!("an activation of {} features that does not fit one binding", tensor.width);
            Err(Error::device(format!("{whole} is cut otherwise than its layer"), SMALLER))
        }
    }
}
