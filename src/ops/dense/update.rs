//! The pass that forms a layer's gradient and applies the optimiser, of which no gradient buffer is left: the host of
//! shaders/dense_update.wgsl and shaders/dense_update_lanes.wgsl.

use super::{Dense, DenseShard, RowsAre, row_side_of, variants};
use crate::Result;
use crate::gpu::{Dispatch, Gpu, Grid, Tensor, immediates};
use crate::ops::{TrainedArena, UpdateRule};

immediates! {
    pub(super) struct Update {
        u32: batch, rows, row_side_width, row_side_first, columns, weight_offset, replica_stride, bias_offset,
             bias, steps, step;
        f32: rate_scale, beta1, beta2, epsilon, weight_decay;
        u32: decoupled, chunk_rows, first_chunk, replicas, carry;
    }
}

impl Dense {
    pub(super) fn update_of(
        &self,
        shard: &DenseShard,
        arena: &TrainedArena,
        rule: UpdateRule<'_>,
        row_side: &Tensor,
    ) -> Result<Update> {
        let UpdateRule { optimizer, schedule } = rule;
        let (bias, bias_offset) = self.bias(shard);
        let (_, row_side_width, row_side_first) = row_side_of(row_side, shard.range)?;
        Ok(Update {
            batch: row_side.batch as u32,
            rows: shard.range.len as u32,
            row_side_width,
            row_side_first,
            columns: self.columns() as u32,
            weight_offset: shard.weight_offset as u32,
            replica_stride: arena.parameters.stride as u32,
            bias_offset,
            bias,
            steps: schedule.steps as u32,
            rate_scale: self.rate_scale,
            beta1: optimizer.first_decay(),
            beta2: optimizer.beta2,
            epsilon: optimizer.epsilon,
            weight_decay: optimizer.weight_decay,
            decoupled: optimizer.is_decoupled().into(),
            ..Default::default()
        })
    }

    /// Forms the weight gradient of the batch in registers and applies the optimiser to weights, biases
    /// and moments in the same pass.
    pub fn update(
        &self,
        gpu: &Gpu,
        arenas: &[TrainedArena],
        rule: UpdateRule<'_>,
        input: &Tensor,
        output_gradient: &Tensor,
    ) -> Result<Vec<Dispatch>> {
        let (row_side, column_side) = match self.rows_are {
            RowsAre::Outputs => (output_gradient, input),
            RowsAre::Inputs => (input, output_gradient),
        };
        let columns = column_side.single_buffer()?;
        let optimizer = rule.optimizer;
        self.shards
            .iter()
            .flat_map(|shard| {
                let by_four = self.by_four(shard, &arenas[shard.arena].parameters);
                self.pieces(gpu, shard, variants::update(gpu, by_four, optimizer))
            })
            .map(|(shard, variant)| {
                let arena = &arenas[shard.arena];
                let (rows, ..) = row_side_of(row_side, shard.range)?;
                let immediates = self.update_of(&shard, arena, rule, row_side)?;
                let four = variant.by_four;
                let pick = |one, vec4| if four { vec4 } else { one };
                let mut buffers = vec![
                    ("update_rows", rows),
                    (pick("update_columns", "update_columns4"), columns),
                    ("schedule", &rule.schedule.buffer),
                    (pick("parameters", "parameters4"), &arena.parameters.buffer),
                    (pick("first_moments", "first_moments4"), &arena.first_moments),
                ];
                if optimizer.is_adaptive() {
                    buffers.push((pick("second_moments", "second_moments4"), arena.second_moments()?));
                }
                let lanes = self.columns() as u32 / if four { 4 } else { 1 };
                let tiles = (shard.range.len as u32).div_ceil(variant.tile_rows);
                let grid = Grid(lanes, tiles, row_side.replicas as u32);
                let dispatch = gpu.dispatch(&variant.kernel, &immediates, &buffers, grid)?;
                Ok(self.with_cost(dispatch, &shard, row_side, Some(optimizer)))
            })
            .collect()
    }
}
