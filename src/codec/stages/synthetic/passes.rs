//! Passes of made-up images through the classifiers of several collaborators at a time.

use crate::Result;
use crate::gpu::{Dispatch, Gpu, Tensor};
use crate::model::{Network, NetworkLayer, Optimizer, OptimizerKind, ScheduleWriter, Workspace};

/// R classifiers, and memory for B images of each.
pub(super) struct Passes<'a> {
    gpu: &'a Gpu,
    network: Network,
    workspace: Workspace,
    /// The gradient of the images.
    into: Tensor,
    forward: Vec<Dispatch>,
    /// Gradients of the weights, which it leaves in the first moments.
    backward: Vec<Dispatch>,
    to_images: Vec<Dispatch>,
}

/// Soft labels or logits of the images of each collaborator, `[R][B x C]`.
pub(super) type Scores = Vec<Vec<f64>>;

impl<'a> Passes<'a> {
    /// Of classifiers of these layers.
    pub fn new(gpu: &'a Gpu, layers: &[NetworkLayer], replicas: usize, images: usize) -> Result<Self> {
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
        let input = workspace.input();
        let into = Tensor::zeros_cut(gpu, "gradient of images", replicas, images, &input.ranges())?;
        let mut schedule = ScheduleWriter::new(gpu, rule, replicas, 1)?;
        schedule.write(gpu, 1, |_, _| 1);
        let forward = network.forward(gpu, &workspace)?;
        let backward = network.backward(gpu, &workspace, schedule.rule())?;
        let to_images = network.backward_inputs(gpu, &workspace, &into)?;
        Ok(Self { gpu, network, workspace, into, forward, backward, to_images })
    }

    /// Gives the classifiers these weights, of the first to the last.
    pub fn set_weights<'w>(&self, weights: impl Iterator<Item = &'w [f32]>) {
        weights
            .enumerate()
            .for_each(|(replica, weights)| self.network.parameters.write(self.gpu, replica, weights));
    }

    /// Takes these images, `[R][B x N]`; gives their logits.
    pub fn logits(&self, images: &[&[f32]]) -> Result<Scores> {
        self.workspace.input().write(self.gpu, &images.concat());
        self.gpu.run(&self.forward)?;
        let output = self.workspace.output();
        let logits = output.read(self.gpu)?;
        let each = logits.chunks_exact(output.batch * output.width);
        Ok(each.map(|logits| logits.iter().map(|&value| f64::from(value)).collect()).collect())
    }

    /// The gradient of the mean cross entropy to these labels where the logits begin, which comes after
    /// [`logits`](Self::logits).
    fn set_loss(&self, logits: &Scores, labels: &Scores) {
        let output = self.workspace.output();
        let (images, classes) = (output.batch, output.width);
        let each = logits.iter().zip(labels).flat_map(|(logits, labels)| {
            let chances = softmax(logits, classes).into_iter().zip(labels);
            chances.map(|(chance, label)| ((chance - label) / images as f64) as f32).collect::<Vec<_>>()
        });
        let gradient: Vec<f32> = each.collect();
        if let Some(into) = self.workspace.output_gradient() {
            into.write(self.gpu, &gradient);
        }
    }

    /// The gradients of the weights, `[R][P]`.
    pub fn weight_gradients(&self, logits: &Scores, labels: &Scores) -> Result<Vec<Vec<f32>>> {
        self.set_loss(logits, labels);
        self.gpu.run(&self.backward)?;
        self.network.first_moments(self.gpu)
    }

    /// The gradients of the images, `[R][B x N]`.
    pub fn image_gradients(&self, logits: &Scores, labels: &Scores) -> Result<Vec<Vec<f32>>> {
        self.set_loss(logits, labels);
        self.gpu.run(&self.to_images)?;
        let gradients = self.into.read(self.gpu)?;
        Ok(gradients.chunks_exact(self.into.batch * self.into.width).map(<[f32]>::to_vec).collect())
    }
}

/// Chances of the classes of each image, of their logits.
pub(super) fn softmax(logits: &[f64], classes: usize) -> Vec<f64> {
    let of = |logits: &[f64]| {
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let powers: Vec<_> = logits.iter().map(|logit| (logit - largest).exp()).collect();
        let sum: f64 = powers.iter().sum();
        powers.into_iter().map(move |power| power / sum).collect::<Vec<_>>()
    };
    logits.chunks(classes).flat_map(of).collect()
}
