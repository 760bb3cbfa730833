//! The two spaces, and which autoencoders are for the small one.

use crate::model::{Activation, AutoencoderSpec, Moments, Optimizer, OptimizerKind};
use serde::{Deserialize, Serialize};

/// Where an autoencoder is trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Space {
    /// On the weights themselves.
    #[default]
    Wide,
    /// On coordinates in the span of the snapshots.
    Small,
}

impl std::str::FromStr for Space {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "wide" => Ok(Self::Wide),
            "small" => Ok(Self::Small),
            _ => Err(format!("{text:?} is no space; there are wide and small")),
        }
    }
}

/// Why layers of an autoencoder have no rates of their own in the small space, if they have none: SGD's are those of
/// the weights, span-adam's a single one for all coordinates.
pub fn rates_refusal(optimizer: &Optimizer) -> Option<&'static str> {
    (optimizer.kind != OptimizerKind::Sgd)
        .then_some("span-adam has one rate for all coordinates, and none for layers")
}

/// Why this is no training in the span of the snapshots, if it is none.
pub fn refusal(spec: &AutoencoderSpec, optimizer: &Optimizer) -> Option<String> {
    if spec.widths.len() != 3 {
        let hidden = spec.widths.len().saturating_sub(2);
        return Some(format!(
            "{} has {hidden} hidden layers, and the span is left with more than one",
            spec.name
        ));
    }
    if !spec.activations.is_empty() {
        return Some(format!("{} lists its activations", spec.name));
    }
    if spec.output_activation != Activation::Linear {
        return Some(format!("the output of {} is not linear, and its gradients leave the span", spec.name));
    }
    if optimizer.moments != Moments::F32 {
        return Some("no moments of the wide weights are kept there, in two bytes or four".into());
    }
    (optimizer.kind == OptimizerKind::AdamW)
        .then(|| "adamw leaves the span of the snapshots; there are sgd and span-adam".into())
}
