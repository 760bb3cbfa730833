//! Losses with their gradients and their tallies.

use super::{Activated, Schedule};
use crate::gpu::{Buffer, Dispatch, Gpu, Grid, Kernel, RowRange, Tensor, immediates};
use crate::{Error, Result};

immediates! {
    struct Loss {
        u32: batch, width, steps, step, gradient, whole_width, chunk, activation;
    }
}

/// Outputs that one lane of the mean squared error adds up.
pub(super) const ERROR_CHUNK: usize = 256;

/// Cross-entropy of the softmax of `outputs` `[R, B, C]` against the labels `[R, B]` of the batch, with
/// the gradient of its mean. Where no
/// gradient is wanted, `spare` is bound in its place and not written. Adds to `tallies` `[R, B, 2]`: the loss, and 1 for a right answer.
pub fn softmax_cross_entropy(
    gpu: &Gpu,
    outputs: &Tensor,
    batch_labels: &Buffer,
    schedule: &Schedule,
    gradients: Option<&Tensor>,
    tallies: &Buffer,
    spare: &Buffer,
) -> Result<Dispatch> {
    let into = gradients.map(Tensor::single_buffer).transpose()?.unwrap_or(spare);
    let immediates = Loss {
        batch: outputs.batch as u32,
        width: outputs.width as u32,
        steps: schedule.steps as u32,
        gradient: gradients.is_some().into(),
        ..Default::default()
    };
    gpu.dispatch(
        &Kernel::new("loss", "softmax_cross_entropy"),
        &immediates,
        &[
            ("schedule", &schedule.buffer),
            ("batch_labels", batch_labels),
            ("outputs", outputs.single_buffer()?),
            ("output_gradients", into),
            ("tallies", tallies),
        ],
        Grid(outputs.batch as u32, outputs.replicas as u32, 1),
    )
}

/// What outputs are compared with, and how much each sample weighs.
#[derive(Clone, Copy, Debug)]
pub struct Targets<'a> {
    /// `[R, B, O]`
    pub values: &'a Tensor,
    /// `[R, B]`: `NOTHING` marks an empty place of the batch.
    pub labels: &'a Buffer,
    /// The weights.
    pub schedule: &'a Schedule,
}

/// Sums of squared errors, `[R, B, chunks]` for each shard of the output.
#[derive(Clone, Debug)]
pub struct ErrorTallies {
    shards: Vec<(RowRange, Buffer, usize)>,
    replicas: usize,
    batch: usize,
}

impl ErrorTallies {
    /// Zeros for outputs of this shape.
    pub fn new(gpu: &Gpu, outputs: &Tensor) -> Result<Self> {
        let shards = outputs
            .shards
            .iter()
            .map(|shard| {
                let chunks = shard.range.len.div_ceil(ERROR_CHUNK);
                let tallies = outputs.replicas * outputs.batch * chunks;
                Ok((shard.range, gpu.zeros("error tallies", tallies)?, chunks))
            })
            .collect::<Result<_>>()?;
        Ok(Self { shards, replicas: outputs.replicas, batch: outputs.batch })
    }

    /// The tallies of the shard that holds these columns, and how many chunks a line of it has.
    pub(super) fn of(&self, range: RowRange) -> Result<(&Buffer, usize)> {
        let found = self.shards.iter().find(|(columns, ..)| columns.holds(range));
        found
            .map(|(_, buffer, chunks)| (buffer, *chunks))
            .ok_or_else(|| Error::fault("tallies are cut otherwise than a layer"))
    }

    /// Sum of squared errors of each place of the batch, `[R, B]`, since the last call; starts over.
    pub fn take(&self, gpu: &Gpu) -> Result<Vec<f64>> {
        let mut sums = vec![0.0; self.replicas * self.batch];
        for (_, buffer, chunks) in &self.shards {
            let values: Vec<f32> = gpu.read(buffer)?;
            for (line, part) in values.chunks_exact(*chunks).enumerate() {
                sums[line] += part.iter().map(|&v| f64::from(v)).sum::<f64>();
            }
            gpu.write(buffer, 0, &vec![0.0f32; values.len()]);
        }
        Ok(sums)
    }
}

/// Mean squared error of `outputs` `[R, B, N]` against `targets`, shard by shard, with its gradient
/// before the output layer's activation.
pub fn mean_squared_error(
    gpu: &Gpu,
    outputs: Activated<'_>,
    targets: Targets<'_>,
    gradients: Option<&Tensor>,
    tallies: &ErrorTallies,
    spare: &Buffer,
) -> Result<Vec<Dispatch>> {
    let Activated { values: outputs, activation } = outputs;
    outputs.expect_cut_as(targets.values)?;
    gradients.map_or(Ok(()), |gradients| outputs.expect_cut_as(gradients))?;
    (0..outputs.shards.len())
        .map(|place| {
            let shard = &outputs.shards[place];
            let immediates = Loss {
                batch: outputs.batch as u32,
                width: shard.range.len as u32,
                steps: targets.schedule.steps as u32,
                step: 0,
                gradient: gradients.is_some().into(),
                whole_width: outputs.width as u32,
                chunk: ERROR_CHUNK as u32,
                activation: activation.code(),
            };
            let (_, tally, chunks) = &tallies.shards[place];
            gpu.dispatch(
                &Kernel::new("loss", "mean_squared_error"),
                &immediates,
                &[
                    ("schedule", &targets.schedule.buffer),
                    ("batch_labels", targets.labels),
                    ("outputs", &shard.buffer),
                    ("output_gradients", gradients.map_or(spare, |g| &g.shards[place].buffer)),
                    ("error_tallies", tally),
                    ("targets", &targets.values.shards[place].buffer),
                ],
                Grid(*chunks as u32, outputs.batch as u32, outputs.replicas as u32),
            )
        })
        .collect()
}
