//! One pass over a matrix that updates it and carries sums of its rows on to the layer beside it.

use super::{Dense, Epilogue, RowsAre, row_side_of, variants};
use crate::Result;
use crate::gpu::{Dispatch, Gpu, Grid, Tensor};
use crate::ops::{Activated, Activation, TrainedArena, UpdateRule};

const CARRY_BEFORE: u32 = 1;
const CARRY_AFTER: u32 = 2;

/// Which sums the pass carries on.
#[derive(Clone, Copy, Debug)]
pub enum Carry<'a> {
    /// The gradient before the activation that the layer's input `[R, B, I]` came out of, taken with the weights
    /// before the update. For layers whose rows are their outputs: a decoder's last.
    InputGradient {
        /// The activation.
        before: Activation,
        /// `[R, B, I]`
        into: &'a Tensor,
    },
    /// The layer's outputs `[R, B, O]` with the weights after the update, on the batch that was just trained on.
    /// For layers whose rows are their inputs: an encoder's first, where the same batch comes again.
    NextOutputs {
        /// `[R, B, O]`
        into: &'a Tensor,
    },
}

impl Dense {
    /// [`update`](Self::update), and what `carry` asks for, in one pass over weights and moments. `None` where
    /// there is no kernel for this shape, or the rows are the wrong side for this carry.
    pub fn update_and_carry(
        &self,
        gpu: &Gpu,
        arenas: &[TrainedArena],
        rule: UpdateRule<'_>,
        input: &Tensor,
        output_gradient: &Tensor,
        carry: Carry<'_>,
    ) -> Result<Option<Vec<Dispatch>>> {
        let UpdateRule { optimizer, schedule } = rule;
        let (row_side, column_side, epilogue, into) = match (self.rows_are, carry) {
            (RowsAre::Outputs, Carry::InputGradient { before, into }) => {
                let input = Activated { values: input, activation: before };
                (output_gradient, input.values, Epilogue::Backward(input), into)
            }
            (RowsAre::Inputs, Carry::NextOutputs { into }) => {
                (input, output_gradient, Epilogue::Forward, into)
            }
            _ => return Ok(None),
        };
        let (batch, replicas, columns) = (row_side.batch, row_side.replicas, self.columns());
        let sum_bytes = 4 * replicas * batch * columns;
        let by_four = self.shards.iter().all(|shard| self.by_four(shard, &arenas[shard.arena].parameters));
        let variant = variants::carry(gpu, by_four, [self.rows(), columns], batch, optimizer);
        let found = variant.and_then(|variant| {
            Some((variant, variant.rows_per_chunk(gpu, self.rows(), columns, sum_bytes)?))
        });
        let Some((variant, chunk_rows)) = found else { return Ok(None) };
        let lanes = if variant.row_in_workgroup { 1 } else { columns as u32 / 4 };
        let chunks_of = |rows: usize| rows.div_ceil(chunk_rows) as u32;
        let chunks: u32 = self.shards.iter().map(|shard| chunks_of(shard.range.len)).sum();
        let sums = chunks as usize * replicas * batch * columns;
        // Behind the sums, a value for each chunk that no kernel reads.
        let spare = (chunks as usize * replicas).next_multiple_of(4);
        if 4 * (sums + spare) as u64 > gpu.max_binding_bytes() {
            return Ok(None);
        }
        let carried = gpu.zeros("carried sums", sums + spare)?;
        let no_moments = gpu.zeros("no second moments", 4)?;
        let mut dispatches = Vec::new();
        let mut first_chunk = 0;
        for shard in &self.shards {
            let arena = &arenas[shard.arena];
            let (rows, ..) = row_side_of(row_side, shard.range)?;
            let mut immediates = self.update_of(shard, arena, rule, row_side)?;
            immediates.chunk_rows = chunk_rows as u32;
            immediates.first_chunk = first_chunk;
            immediates.replicas = replicas as u32;
            immediates.carry = match carry {
                Carry::InputGradient { .. } => CARRY_BEFORE,
                Carry::NextOutputs { .. } => CARRY_AFTER,
            };
            let second_moments = if optimizer.is_adaptive() { arena.second_moments()? } else { &no_moments };
            let chunks = chunks_of(shard.range.len);
            let weights = replicas * shard.range.len * columns;
            let moved = optimizer.values_moved(weights) + replicas * batch * shard.range.len;
            dispatches.push(
                gpu.dispatch(
                    &variant.kernel,
                    &immediates,
                    &[
                        ("update_rows", rows),
                        ("update_columns4", column_side.single_buffer()?),
                        ("schedule", &schedule.buffer),
                        ("parameters4", &arena.parameters.buffer),
                        ("first_moments4", &arena.first_moments),
                        ("second_moments4", second_moments),
                        ("carried", &carried),
                    ],
                    Grid(lanes, chunks, replicas as u32),
                )?
                .with_traffic(moved, 4 * weights * batch),
            );
            first_chunk += chunks;
        }
        let arena = &arenas[self.shards[0].arena].parameters;
        let into = into.single_buffer()?;
        dispatches.push(self.finish(gpu, arena, row_side, (&carried, chunks), into, &epilogue)?);
        Ok(Some(dispatches))
    }
}
