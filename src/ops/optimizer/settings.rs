//! Optimisers and their settings.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Which rule turns gradients into new weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Stochastic gradient descent with momentum, as `torch.optim.SGD`.
    Sgd,
    /// Adam, as `torch.optim.Adam`.
    #[default]
    Adam,
    /// Adam with decoupled weight decay, as `torch.optim.AdamW`.
    AdamW,
}

impl std::str::FromStr for OptimizerKind {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "sgd" => Ok(Self::Sgd),
            "adam" => Ok(Self::Adam),
            "adamw" => Ok(Self::AdamW),
            _ => Err(format!("{text:?} is no optimiser; there are sgd, adam and adamw")),
        }
    }
}

/// In what form the optimiser's moments lie in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Moments {
    /// Four bytes each.
    #[default]
    F32,
    /// Two bytes each: the upper halves of f32, rounded up or down by chance so that they are right in the mean
    /// (`shaders/moments_bf16.wgsl` says why). For dense layers whose matrices have rows of a multiple of four.
    Bf16,
}

impl Moments {
    fn is_f32(&self) -> bool {
        *self == Self::F32
    }

    /// Words of four bytes that the moments of so many parameters take; a multiple of four of them.
    pub fn words(&self, parameters: usize) -> usize {
        match self {
            Self::F32 => parameters,
            Self::Bf16 => parameters / 2,
        }
    }
}

impl std::str::FromStr for Moments {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match text {
            "f32" => Ok(Self::F32),
            "bf16" => Ok(Self::Bf16),
            "f16" => {
                Err("second moments are too small for f16; bf16 has the range of f32 in two bytes".into())
            }
            _ => Err(format!("{text:?} is no form of moments; there are f32 and bf16")),
        }
    }
}

/// An optimiser with its settings; the defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Optimizer {
    /// The rule.
    pub kind: OptimizerKind,
    /// Learning rate.
    pub lr: f32,
    /// Momentum of SGD.
    pub momentum: f32,
    /// Decay of Adam's first moments.
    pub beta1: f32,
    /// Decay of Adam's second moments.
    pub beta2: f32,
    /// Summand of Adam's divisor, which keeps it above zero.
    pub epsilon: f32,
    /// L2 penalty (SGD, Adam) or decay of the weights themselves (AdamW).
    pub weight_decay: f32,
    /// How moments are kept.
    #[serde(skip_serializing_if = "Moments::is_f32")]
    pub moments: Moments,
}

impl Default for Optimizer {
    fn default() -> Self {
        Self {
            kind: OptimizerKind::Adam,
            lr: 1e-3,
            momentum: 0.9,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            moments: Moments::F32,
        }
    }
}

impl Optimizer {
    /// Decay of the first moments.
    pub fn first_decay(&self) -> f32 {
        if self.is_adaptive() { self.beta1 } else { self.momentum }
    }

    /// Whether it keeps second moments.
    pub(crate) fn is_adaptive(&self) -> bool {
        self.kind != OptimizerKind::Sgd
    }

    /// Whether it decays the weights themselves.
    pub(crate) fn is_decoupled(&self) -> bool {
        self.kind == OptimizerKind::AdamW
    }

    /// Values of four bytes that an update of so many weights reads and writes: weights and moments.
    pub(crate) fn values_moved(&self, weights: usize) -> usize {
        let moments = if self.is_adaptive() { 2 } else { 1 };
        2 * (weights + moments * self.moments.words(weights))
    }

    /// Refuses settings that cannot work. `section` is where they were given: a table of a spec, or "--"
    /// for arguments.
    pub fn check(&self, section: &str) -> Result<()> {
        let field = |name: &str| match section {
            "--" => format!("--{}", name.replace('_', "-")),
            section => format!("{section}.{name}"),
        };
        let refuse = |name: &str, value: f32, mend: &str| {
            Err(Error::setting(field(name), format!("{value} does not work"), mend))
        };
        if !self.lr.is_finite() || self.lr <= 0.0 {
            return refuse("lr", self.lr, "use a number above 0, such as 0.001");
        }
        if !self.weight_decay.is_finite() || self.weight_decay < 0.0 {
            return refuse("weight_decay", self.weight_decay, "use 0 or more");
        }
        let fractions = [
            ("momentum", self.momentum),
            ("beta1", self.beta1),
            ("beta2", self.beta2),
            ("epsilon", self.epsilon),
        ];
        for (name, value) in fractions {
            if !(0.0..1.0).contains(&value) {
                return refuse(name, value, "use 0 or more, below 1");
            }
        }
        Ok(())
    }

    /// The schedule's entry for step `t` (from 1) on `samples` samples.
    pub(super) fn entry(&self, t: u64, samples: usize) -> [f32; 4] {
        if samples == 0 {
            return [0.0; 4];
        }
        // In f64, as PyTorch does: 1 - 0.999^t loses half its digits in f32.
        let correction = |beta: f32| 1.0 - f64::from(beta).powf(t as f64);
        let rate = f64::from(self.lr);
        [
            (1.0 / samples as f64) as f32,
            (rate / correction(self.beta1)) as f32,
            (1.0 / correction(self.beta2).sqrt()) as f32,
            self.lr,
        ]
    }
}
