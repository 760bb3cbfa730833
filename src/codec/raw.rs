//! Updates as they are: four bytes a weight.

use super::{UpdateDecoder, UpdateEncoder, bytes_to_floats, floats_to_bytes};
use crate::gpu::{Buffer, Dispatch, Gpu, Tensor};
use crate::ops::reduce::{self, Replicas};
use crate::{Error, Result};

/// The codec that changes nothing, and the baseline of all others.
#[derive(Debug)]
pub struct Raw {
    gpu: Gpu,
    updates: Tensor,
    average: Average,
}

impl Raw {
    /// For `collaborators` updates of `parameters` values.
    pub fn new(gpu: &Gpu, collaborators: usize, parameters: usize) -> Result<Self> {
        let updates = Tensor::zeros(gpu, "updates", collaborators, 1, parameters)?;
        Ok(Self { gpu: gpu.clone(), average: Average::new(gpu, &updates)?, updates })
    }
}

impl UpdateEncoder for Raw {
    fn encode(&mut self, weights: &[Vec<f32>]) -> Result<Vec<Vec<u8>>> {
        Ok(weights.iter().map(|values| floats_to_bytes(values)).collect())
    }
}

impl UpdateDecoder for Raw {
    fn average(&mut self, payloads: &[Vec<u8>], samples: &[usize]) -> Result<Vec<f32>> {
        let width = self.updates.width;
        let updates = payloads
            .iter()
            .map(|payload| bytes_to_floats(payload, width, "a raw update"))
            .collect::<Result<Vec<_>>>()?;
        if updates.len() != self.updates.replicas {
            return Err(Error::message(
                format!("{} updates came where {} are due", updates.len(), self.updates.replicas),
                "let every collaborator send one",
            ));
        }
        self.updates.write(&self.gpu, &updates.concat());
        self.average.run(&self.gpu, samples)
    }
}

/// The weighted average over the replicas of a tensor `[R, 1, P]`, on the device.
#[derive(Debug)]
pub(super) struct Average {
    weights: Buffer,
    result: Tensor,
    dispatches: Vec<Dispatch>,
}

impl Average {
    pub fn new(gpu: &Gpu, updates: &Tensor) -> Result<Self> {
        let weights = gpu.zeros("sample counts", updates.replicas)?;
        let result = Tensor::zeros_cut(gpu, "average", 1, 1, &updates.ranges())?;
        let dispatches = updates
            .shards
            .iter()
            .zip(&result.shards)
            .map(|(from, to)| {
                let width = from.range.len;
                let replicas =
                    Replicas { values: &from.buffer, count: updates.replicas, first: 0, stride: width };
                reduce::average_replicas(gpu, replicas, &weights, &to.buffer, 0, width)
            })
            .collect::<Result<_>>()?;
        Ok(Self { weights, result, dispatches })
    }

    pub fn run(&self, gpu: &Gpu, samples: &[usize]) -> Result<Vec<f32>> {
        let weights: Vec<f32> = samples.iter().map(|&count| count as f32).collect();
        gpu.write(&self.weights, 0, &weights);
        gpu.run(&self.dispatches)?;
        self.result.read(gpu)
    }
}
