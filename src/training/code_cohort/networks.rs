//! Decoders of several layers, or with an activation at their output: their own forward and backward passes.

use super::decoder::DecoderSteps;
use crate::Result;
use crate::gpu::{Buffer, Dispatch, Gpu, RowRange, Tensor, TensorShard};
use crate::model::{Network, NetworkLayer};
use crate::ops::code::{self, Codes, Collected, Decoded, PartialSums, Run};

/// The decoders of all replicas.
#[derive(Debug)]
pub(super) struct NetworkDecoders {
    network: Network,
    /// `[R]`: what turns their outputs into weights.
    scales: Buffer,
    /// What they make of codes at their start.
    begin: Vec<Dispatch>,
}

/// Values of a decoder that are neighbours among the classifier's parameters too.
struct Place {
    arena: usize,
    shard: usize,
    run: Run,
}

impl NetworkDecoders {
    /// Decoders of zeros, and what a step does with them. `bases` are what codes were decoded to at their start, an arena
    /// each.
    pub fn new(
        gpu: &Gpu,
        layers: &[NetworkLayer],
        classifier: &Network,
        bases: &[Buffer],
        codes: &Codes,
    ) -> Result<(Self, DecoderSteps)> {
        let Codes { replicas, floats, .. } = *codes;
        let network = Network::new(gpu, layers, replicas, None)?;
        let whole = RowRange { start: 0, len: floats };
        let arrived = TensorShard { buffer: codes.shifts.clone(), range: whole };
        let input = Tensor { replicas, batch: 1, width: floats, shards: vec![arrived] };
        let workspace = network.gradient_workspace(gpu, input.clone())?;
        let output = workspace.output();
        let start = Tensor::zeros_cut(gpu, "decoded starts", replicas, 1, &output.ranges())?;
        let begin = network.forward_workspace(gpu, input, Some(start.clone()))?;
        let begin = network.forward(gpu, &begin)?;
        let scales = gpu.zeros("scales of decoders", replicas)?;
        let slopes = Tensor::zeros_cut(gpu, "gradients of codes", replicas, 1, &[whole])?;

        let (arenas, activation) = (classifier.trained_arenas(), network.output_activation());
        let mut before = network.forward(gpu, &workspace)?;
        let mut after = Vec::new();
        for Place { arena, shard, run } in places(gpu, classifier, &output.ranges())? {
            let (own, values) = (&arenas[arena], &output.shards[shard].buffer);
            let decoded = Decoded { scales: &scales, now: values, before: &start.shards[shard].buffer };
            before.push(code::spread(gpu, &own.parameters, &bases[arena], decoded, run, replicas)?);
            let into = &workspace.gradients[workspace.gradients.len() - 1].shards[shard].buffer;
            let collected = Collected { scales: &scales, values, activation, into };
            after.push(code::collect(gpu, &own.parameters, &own.first_moments, collected, run, replicas)?);
        }
        after.extend(network.backward_inputs(gpu, &workspace, &slopes)?);
        let buffer = slopes.single_buffer()?.clone();
        let sums = PartialSums { buffer, replicas, replica_stride: floats, lanes: 1 };
        Ok((Self { network, scales, begin }, DecoderSteps { before, after, sums }))
    }

    /// Gives a replica its decoder: its parameters in `state_dict` order, and what its outputs are multiplied by.
    pub fn load(&self, gpu: &Gpu, replica: usize, parameters: &[f32], scale: f32) {
        self.network.parameters.write(gpu, replica, parameters);
        gpu.write(&self.scales, replica, &[scale]);
    }

    /// Decodes the codes that replicas start from.
    pub fn restart(&self, gpu: &Gpu) -> Result<()> {
        gpu.run(&self.begin)
    }
}

/// Where decoded values, cut as `shards` are, lie among the classifier's parameters.
fn places(gpu: &Gpu, classifier: &Network, shards: &[RowRange]) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    for run in classifier.parameters.runs()? {
        for (shard, range) in shards.iter().enumerate() {
            let end = (run.first + run.count).min(range.start + range.len);
            let mut first = run.first.max(range.start);
            while first < end {
                let count = (end - first).min(Run::most(gpu));
                let destination = run.offset + first - run.first;
                let own = Run { count, source: first - range.start, width: range.len, destination };
                places.push(Place { arena: run.arena, shard, run: own });
                first += count;
            }
        }
    }
    Ok(places)
}
