//! Whole autoencoders in training: what shards and fused passes must not change.

use crate::support::{self, every_class, gpu, plain_gpu, values, wide};
use fedfunnel::autoencoder::{AutoencoderSettings, Trainer, Training};
use fedfunnel::gpu::{Dispatch, Gpu, Tensor};
use fedfunnel::model::{
    AutoencoderSpec, ModelSpec, Network, NetworkLayer, Optimizer, OptimizerKind, ReconstructionLoss,
    ScheduleWriter,
};
use fedfunnel::ops::loss::ErrorTallies;
use fedfunnel::reference::compare::{Tolerance, compare};
use std::path::Path;

mod fused;
mod moments;
mod shards;

/// A funnel of these widths; `more` are further lines of its spec.
fn spec(widths: &[usize], more: &str) -> AutoencoderSpec {
    let text = format!("name = \"x\"\nkind = \"autoencoder\"\nwidths = {widths:?}\n{more}");
    ModelSpec::parse(&text, Path::new("x")).unwrap().autoencoder().unwrap()
}

/// What came out of training.
struct Outcome {
    /// Name and length of each tensor.
    tensors: Vec<(String, usize)>,
    /// `[R][P]`
    parameters: Vec<Vec<f32>>,
    /// Mean loss of each replica, once for each epoch or step.
    losses: Vec<Vec<f32>>,
}

impl Outcome {
    /// Where one is not as the other: tensor by tensor and loss by loss.
    fn disagreements(&self, other: &Self, tolerance: Tolerance) -> Vec<String> {
        let mut found = Vec::new();
        for (replica, (mut actual, mut expected)) in self
            .parameters
            .iter()
            .map(Vec::as_slice)
            .zip(other.parameters.iter().map(Vec::as_slice))
            .enumerate()
        {
            for (name, length) in &self.tensors {
                let [one, two] = [&mut actual, &mut expected].map(|flat| {
                    let (tensor, rest) = flat.split_at(*length);
                    *flat = rest;
                    tensor
                });
                let what = format!("{name} of replica {replica}");
                found.extend(compare(&what, one, &wide(two), tolerance).err());
            }
        }
        assert_eq!(self.losses.len(), other.losses.len());
        for (at, (one, two)) in self.losses.iter().zip(&other.losses).enumerate() {
            found.extend(compare(&format!("losses {at}"), one, &wide(two), tolerance).err());
        }
        found
    }
}
