//! The dispatches of a step: a batch of images, forward, the loss, and in training backward too.

use super::ResidentImages;
use crate::Result;
use crate::gpu::{Buffer, Dispatch, Gpu};
use crate::model::{Network, Optimizer};
use crate::ops::Schedule;
use crate::ops::gather::SampleIndex;
use crate::ops::loss;
use crate::ops::mlp::{Batches, Mlp};

/// What a step reads and where its figures go.
pub(super) struct StepParts<'a> {
    /// The images,
    pub images: &'a ResidentImages,
    /// which of them,
    pub index: &'a SampleIndex,
    /// how many at a time,
    pub batch: usize,
    /// and what chance changes them by.
    pub epoch: &'a Buffer,
    /// The optimiser's; a step without training does not look into it.
    pub schedule: &'a Schedule,
    /// `[R, B, 2]`
    pub tallies: &'a Buffer,
}

impl StepParts<'_> {
    /// A step that trains where there is an `optimizer`, and else one that only looks.
    pub fn dispatches(
        &self,
        gpu: &Gpu,
        network: &Network,
        optimizer: Option<&Optimizer>,
    ) -> Result<Vec<Dispatch>> {
        match self.mlp(gpu, network)? {
            Some(mlp) => self.fused(gpu, network, &mlp, optimizer),
            None => self.layer_by_layer(gpu, network, optimizer),
        }
    }

    /// The kernels that take a whole classifier at a time, where they are for this one.
    fn mlp(&self, gpu: &Gpu, network: &Network) -> Result<Option<Mlp<'_>>> {
        let (Some(layers), Some(images)) = (network.two_dense_layers(), self.images.as_they_are()) else {
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
        optimizer: Option<&Optimizer>,
    ) -> Result<Vec<Dispatch>> {
        let arenas = &network.parameters.arenas;
        let pass = mlp.pass(gpu, arenas, self.schedule, self.tallies, optimizer.is_some())?;
        let update = optimizer
            .map(|optimizer| mlp.update(gpu, &network.trained_arenas(), (optimizer, self.schedule)))
            .transpose()?;
        Ok(std::iter::once(pass).chain(update).collect())
    }

    fn layer_by_layer(
        &self,
        gpu: &Gpu,
        network: &Network,
        optimizer: Option<&Optimizer>,
    ) -> Result<Vec<Dispatch>> {
        let workspace = network.workspace(gpu, self.batch, optimizer.is_some(), None)?;
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
            (self.tallies, &spare),
        )?);
        if let Some(optimizer) = optimizer {
            step.extend(network.backward(gpu, &workspace, optimizer, self.schedule)?);
        }
        Ok(step)
    }
}
