//! Training towards outputs that are the inputs again, in as few passes over wide matrices as can be.

use super::{Layer, Network, OutputMemory, Workspace};
use crate::Result;
use crate::gpu::{Buffer, Dispatch, Gpu, Tensor};
use crate::ops::UpdateRule;
use crate::ops::dense::{Carry, Dense};
use crate::ops::loss::{self, ErrorTallies, Targets};

/// The dispatches of a training step that is taken many times.
#[derive(Clone, Debug, Default)]
pub struct StepPlan {
    /// The dispatches before the first step of a row of steps.
    pub prologue: Vec<Dispatch>,
    /// The step.
    pub step: Vec<Dispatch>,
}

/// The loss of a step towards outputs that are the inputs again: their mean squared error.
#[derive(Clone, Copy, Debug)]
pub struct ReconstructionLoss<'a> {
    /// `[R, B]`: `NOTHING` marks an empty place of the batch.
    pub labels: &'a Buffer,
    /// The sums of squared errors.
    pub tallies: &'a ErrorTallies,
    /// Whether every step sees the same batch.
    pub same_batch: bool,
}

impl Network {
    /// Memory for training on batches of `batch` samples with [`reconstruction_step`](Self::reconstruction_step),
    /// which does without the outputs where there is a kernel for that.
    pub fn reconstruction_workspace(
        &self,
        gpu: &Gpu,
        batch: usize,
        input: Option<Tensor>,
    ) -> Result<Workspace> {
        let outputs =
            if self.residual_layer(gpu).is_some() { OutputMemory::Gradients } else { OutputMemory::Own };
        self.build_workspace(gpu, batch, true, input, outputs)
    }

    /// The last layer, where it can do without storing its outputs.
    fn residual_layer(&self, gpu: &Gpu) -> Option<&Dense> {
        match self.layers.last() {
            Some(Layer::Dense(layer)) if layer.has_residual(gpu, &self.parameters.arenas) => Some(layer),
            _ => None,
        }
    }

    /// A training step towards outputs that are the inputs again, with as few passes over wide matrices as can
    /// be: the last layer's outputs become their gradient at once; its update carries its input gradient on; and
    /// where every step sees the same batch, the first layer's update carries on its outputs for the next step.
    pub fn reconstruction_step(
        &self,
        gpu: &Gpu,
        workspace: &Workspace,
        rule: UpdateRule<'_>,
        loss: &ReconstructionLoss<'_>,
    ) -> Result<StepPlan> {
        let arenas = &self.parameters.arenas;
        let (last, mut plan) = (self.layers.len() - 1, StepPlan::default());
        let targets = Targets { values: workspace.input(), labels: loss.labels, schedule: rule.schedule };
        let residual = self.residual_layer(gpu);
        // The first layer's update with its outputs for the next step, where that can be.
        let carried = match self.layers.first() {
            Some(Layer::Dense(dense)) if loss.same_batch && last > 0 => {
                let (input, gradient) = (workspace.input(), &workspace.gradients[0]);
                let carry = Carry::NextOutputs { into: &workspace.activations[1] };
                dense.update_and_carry(gpu, &self.trained_arenas(), rule, input, gradient, carry)?
            }
            _ => None,
        };
        for (place, layer) in self.layers.iter().enumerate() {
            let (input, output) = (&workspace.activations[place], &workspace.activations[place + 1]);
            let into = if place == 0 && carried.is_some() { &mut plan.prologue } else { &mut plan.step };
            match residual.filter(|_| place == last) {
                None => into.extend(layer.forward(gpu, arenas, input, output)?),
                Some(dense) => {
                    let both = dense.residual(gpu, arenas, input, targets, output, loss.tallies)?;
                    into.extend(both.unwrap_or_default());
                }
            }
        }
        if residual.is_none() {
            let (gradient, spare) = (workspace.output_gradient(), gpu.zeros("spare", 4)?);
            let outputs = self.outputs_of(workspace);
            let loss = loss::mean_squared_error(gpu, outputs, targets, gradient, loss.tallies, &spare)?;
            plan.step.extend(loss);
        }
        let first = usize::from(carried.is_some());
        plan.step.extend(self.backward_to(gpu, workspace, rule, first)?);
        plan.step.extend(carried.unwrap_or_default());
        Ok(plan)
    }
}
