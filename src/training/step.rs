//! The dispatches of a step: a batch of images, forward, the loss, and in training backward too.

use super::ResidentImages;
use crate::Result;
use crate::gpu::{Buffer, Dispatch, Gpu};
use crate::model::{Network, Optimizer};
use crate::ops::directions::{Probe, Stretch};
use crate::ops::gather::SampleIndex;
use crate::ops::loss;
use crate::ops::mlp::{Batches, BothSidesStep, Mlp};
use crate::ops::{Schedule, UpdateRule};

/// The memory that a step reads and writes.
pub(super) struct StepParts<'a> {
    /// The images.
    pub images: &'a ResidentImages,
    /// Which of them each step takes.
    pub index: &'a SampleIndex,
    /// B
    pub batch: usize,
    /// What random changes depend on: the place in the epoch of the first sample, and the number of the epoch.
    pub epoch: &'a Buffer,
    /// The optimiser's; a step without training does not read it.
    pub schedule: &'a Schedule,
    /// `[R, B, 2]`
    pub tallies: &'a Buffer,
}

impl StepParts<'_> {
    /// A step that trains where there is an `optimizer`, and one that only evaluates otherwise.
    pub fn dispatches(
        &self,
        gpu: &Gpu,
        network: &Network,
        optimizer: Option<&Optimizer>,
    ) -> Result<Vec<Dispatch>> {
        let rule = optimizer.map(|optimizer| UpdateRule { optimizer, schedule: self.schedule });
        match self.mlp(gpu, network)? {
            Some(mlp) => self.fused(gpu, network, &mlp, rule),
            None => self.layer_by_layer(gpu, network, rule),
        }
    }

    /// Two passes forward of the same batch, the first with its images taken from their place: what the second one adds
    /// goes to `second_tallies`. Weights may change in between.
    pub fn forward_twice(
        &self,
        gpu: &Gpu,
        network: &Network,
        second_tallies: &Buffer,
    ) -> Result<[Vec<Dispatch>; 2]> {
        if let Some(mlp) = self.mlp(gpu, network)? {
            let arenas = &network.parameters.arenas;
            let pass = |tallies| Ok(vec![mlp.pass(gpu, arenas, self.schedule, tallies, false)?]);
            return Ok([pass(self.tallies)?, pass(second_tallies)?]);
        }
        let workspace = network.workspace(gpu, self.batch, false)?;
        let labels = gpu.zeros("batch labels", network.replicas() * self.batch)?;
        let spare = gpu.zeros("spare", 4)?;
        let forward = |tallies| {
            let mut pass = network.forward(gpu, &workspace)?;
            let (output, schedule) = (workspace.output(), self.schedule);
            let loss = loss::softmax_cross_entropy(gpu, output, &labels, schedule, None, tallies, &spare)?;
            pass.push(loss);
            Ok(pass)
        };
        let gather = self.images.gather(gpu, self.index, self.epoch, &labels, workspace.input())?;
        Ok([[gather, forward(self.tallies)?].concat(), forward(second_tallies)?])
    }

    /// A step of `probe` that tries both sides at once, where there are kernels for that.
    pub fn both_sides(&self, gpu: &Gpu, network: &Network, probe: &Probe) -> Result<Option<BothSidesStep>> {
        let Some(mlp) = self.mlp(gpu, network)? else { return Ok(None) };
        let runs = network.parameters.runs()?;
        let ([run], [arena]) = (&runs[..], &network.parameters.arenas[..]) else { return Ok(None) };
        let all = Stretch { first: run.first, offset: run.offset, count: run.count };
        mlp.both_sides(gpu, arena, all, probe)
    }

    /// The kernels that take a whole classifier at a time, where they are for this one.
    fn mlp(&self, gpu: &Gpu, network: &Network) -> Result<Option<Mlp<'_>>> {
        let (Some(layers), Some(images)) = (network.two_dense_layers(), self.images.single_unchanged())
        else {
            return Ok(None);
        };
        let (shard, scales, channel_width) = images;
        let batches = Batches {
            images: shard,
            scales,
            channel_width,
            index: self.index,
            replicas: network.replicas(),
            batch: self.batch,
        };
        Mlp::new(gpu, layers, &network.parameters.arenas, batches)
    }

    fn fused(
        &self,
        gpu: &Gpu,
        network: &Network,
        mlp: &Mlp<'_>,
        rule: Option<UpdateRule<'_>>,
    ) -> Result<Vec<Dispatch>> {
        let arenas = &network.parameters.arenas;
        let pass = mlp.pass(gpu, arenas, self.schedule, self.tallies, rule.is_some())?;
        let update = rule.map(|rule| mlp.update(gpu, &network.trained_arenas(), rule)).transpose()?;
        Ok(std::iter::once(pass).chain(update).collect())
    }

    fn layer_by_layer(
        &self,
        gpu: &Gpu,
        network: &Network,
        rule: Option<UpdateRule<'_>>,
    ) -> Result<Vec<Dispatch>> {
        let workspace = network.workspace(gpu, self.batch, rule.is_some())?;
        let labels = gpu.zeros("batch labels", network.replicas() * self.batch)?;
        let spare = gpu.zeros("spare", 4)?;
        let mut step = self.images.gather(gpu, self.index, self.epoch, &labels, workspace.input())?;
        step.extend(network.forward(gpu, &workspace)?);
        step.push(loss::softmax_cross_entropy(
            gpu,
            workspace.output(),
            &labels,
            self.schedule,
            workspace.output_gradient(),
            self.tallies,
            &spare,
        )?);
        if let Some(rule) = rule {
            step.extend(network.backward(gpu, &workspace, rule)?);
        }
        Ok(step)
    }
}
