//! The last layer and its loss in one pass over the matrix; the outputs are never stored.

use super::{Dense, Epilogue, Product, RowsAre, row_side_of, variants};
use crate::Result;
use crate::gpu::{Dispatch, Gpu, Grid, SHARING_LANES, Tensor};
use crate::ops::Arena;
use crate::ops::loss::{ERROR_CHUNK, ErrorTallies, Targets};

impl Dense {
    /// Whether there is a kernel for [`residual`](Self::residual).
    pub fn has_residual(&self, gpu: &Gpu, arenas: &[Arena]) -> bool {
        self.residual_variant(gpu, arenas, 1).is_some()
    }

    fn residual_variant(
        &self,
        gpu: &Gpu,
        arenas: &[Arena],
        batch: usize,
    ) -> Option<variants::ResidualVariant> {
        let variant = variants::residual(gpu, self.takes_fours(arenas), batch);
        variant.filter(|_| self.rows_are == RowsAre::Outputs)
    }

    /// Mean squared error of this layer's outputs against `targets`: its gradient before the activation goes
    /// to `gradient` `[R, B, O]`, the squared errors are added to `tallies`. `None` where there is no kernel.
    pub fn residual(
        &self,
        gpu: &Gpu,
        arenas: &[Arena],
        input: &Tensor,
        targets: Targets<'_>,
        gradient: &Tensor,
        tallies: &ErrorTallies,
    ) -> Result<Option<Vec<Dispatch>>> {
        let (batch, replicas) = (gradient.batch, gradient.replicas);
        let Some(variant) = self.residual_variant(gpu, arenas, batch) else { return Ok(None) };
        gradient.expect_cut_as(targets.values)?;
        let dispatch = |shard: &super::DenseShard| {
            let arena = &arenas[shard.arena];
            let (sums, _, first) = row_side_of(gradient, shard.range)?;
            let (values, ..) = row_side_of(targets.values, shard.range)?;
            let (tally, chunks) = tallies.of(shard.range)?;
            let (first, rows) = (first as usize, shard.range.len);
            let first_chunk = first / ERROR_CHUNK;
            let immediates = Product {
                first_chunk: first_chunk as u32,
                chunks: chunks as u32,
                steps: targets.schedule.steps as u32,
                whole_width: self.outputs as u32,
                ..self.product(shard, arena, gradient, &Epilogue::Forward)?
            };
            let groups = (first + rows).div_ceil(ERROR_CHUNK) - first_chunk;
            let weights = replicas * rows * self.columns();
            let dispatch = gpu.dispatch(
                &variant.kernel,
                &immediates,
                &[
                    ("weights4", &arena.buffer),
                    ("column_side4", input.single_buffer()?),
                    ("targets", values),
                    ("sums", sums),
                    ("schedule", &targets.schedule.buffer),
                    ("batch_labels", targets.labels),
                    ("error_tallies", tally),
                ],
                Grid(
                    groups as u32 * SHARING_LANES,
                    batch.div_ceil(variant.tile_batch) as u32,
                    replicas as u32,
                ),
            )?;
            Ok(dispatch.with_traffic(weights + 2 * replicas * batch * rows, 2 * weights * batch))
        };
        self.shards.iter().map(dispatch).collect::<Result<_>>().map(Some)
    }
}
