//! Passes of made-up images through the classifiers of several collaborators at a time, on the device.

use super::softmax::softmax;
use crate::Result;
use crate::gpu::{Dispatch, Gpu, Tensor};
use crate::model::{Network, NetworkLayer, Optimizer, OptimizerKind, ScheduleWriter, Workspace};

/// R classifiers, and memory for B images of each.
pub(super) struct Passes<'a> {
    gpu: &'a Gpu,
    network: Network,
    workspace: Workspace,
    forward: Vec<Dispatch>,
    backward: Vec<Dispatch>,
    /// The gradient of the images. That of weights is left in the first moments.
    into: Option<Tensor>,
}

/// Logits of the images of each collaborator, `[R][B x C]`.
pub(super) type Logits = Vec<Vec<f64>>;

impl<'a> Passes<'a> {
    /// Through classifiers of these layers, for gradients of their weights.
    pub fn to_weights(gpu: &'a Gpu, layers: &[NetworkLayer], replicas: usize, images: usize) -> Result<Self> {
        // The first moments of SGD without momentum are the gradient, and at a rate of zero the weights stay.
        let rule = Optimizer {
            kind: OptimizerKind::Sgd,
            lr: 0.0,
            momentum: 0.0,
            weight_decay: 0.0,
            ..Optimizer::default()
        };
        let network = Network::new(gpu, layers, replicas, Some(&rule))?;
        let workspace = network.workspace(gpu, images, true)?;
        let mut schedule = ScheduleWriter::new(gpu, rule, replicas, 1)?;
        schedule.write(gpu, 1, |_, _| 1);
        let forward = network.forward(gpu, &workspace)?;
        let backward = network.backward(gpu, &workspace, schedule.rule())?;
        Ok(Self { gpu, network, workspace, forward, backward, into: None })
    }

    /// The same for gradients of the images.
    pub fn to_images(gpu: &'a Gpu, layers: &[NetworkLayer], replicas: usize, images: usize) -> Result<Self> {
        let network = Network::new(gpu, layers, replicas, None)?;
        let workspace = network.workspace(gpu, images, true)?;
        let cut = workspace.input().ranges();
        let into = Tensor::zeros_cut(gpu, "gradient of images", replicas, images, &cut)?;
        let forward = network.forward(gpu, &workspace)?;
        let backward = network.backward_inputs(gpu, &workspace, &into)?;
        Ok(Self { gpu, network, workspace, forward, backward, into: Some(into) })
    }

    /// Gives the classifiers these weights, of the first to the last.
    pub fn set_weights<'w>(&self, weights: impl Iterator<Item = &'w [f32]>) {
        weights
            .enumerate()
            .for_each(|(replica, weights)| self.network.parameters.write(self.gpu, replica, weights));
    }

    /// Takes these images, `[R][B x N]`; gives their logits.
    pub fn logits(&self, images: &[&[f32]]) -> Result<Logits> {
        self.workspace.input().write(self.gpu, &images.concat());
        self.gpu.run(&self.forward)?;
        let output = self.workspace.output();
        let logits = output.read(self.gpu)?;
        let each = logits.chunks_exact(output.batch * output.width);
        Ok(each.map(|logits| logits.iter().map(|&value| f64::from(value)).collect()).collect())
    }

    /// Goes back from the mean cross entropy to these labels, `[R][B x C]`, which comes after [`logits`](Self::logits).
    fn go_back(&self, logits: &Logits, labels: &[&[f64]]) -> Result<()> {
        let output = self.workspace.output();
        let (images, classes) = (output.batch, output.width);
        let each = logits.iter().zip(labels).flat_map(|(logits, labels)| {
            let chances = softmax(logits, classes).into_iter().zip(*labels);
            chances.map(|(chance, label)| ((chance - label) / images as f64) as f32).collect::<Vec<_>>()
        });
        let gradient: Vec<f32> = each.collect();
        if let Some(into) = self.workspace.output_gradient() {
            into.write(self.gpu, &gradient);
        }
        self.gpu.run(&self.backward)
    }

    /// The gradients of the weights, `[R][P]`.
    pub fn weight_gradients(&self, logits: &Logits, labels: &[&[f64]]) -> Result<Vec<Vec<f32>>> {
        self.go_back(logits, labels)?;
        self.network.first_moments(self.gpu)
    }

    /// The gradients of the images, `[R][B x N]`; of none where weights are what it goes to.
    pub fn image_gradients(&self, logits: &Logits, labels: &[&[f64]]) -> Result<Vec<Vec<f32>>> {
        self.go_back(logits, labels)?;
        let Some(into) = &self.into else { return Ok(Vec::new()) };
        let gradients = into.read(self.gpu)?;
        Ok(gradients.chunks_exact(into.batch * into.width).map(<[f32]>::to_vec).collect())
    }
}
