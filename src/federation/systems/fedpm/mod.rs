//! FedPM (Isik et al. 2022, "Sparse Random Networks for Communication-Efficient Federated Learning", arXiv 2209.15328):
//! the weights are random and stay as they are, and collaborators learn which of them to keep.
//!
//! ```text
//! s     = logit(theta), clipped                 a collaborator's scores
//! w     = m * frozen,  m ~ Bernoulli(sigmoid s) in each step, the gradient of s being that of the expectation
//! sent  = one mask drawn from sigmoid(s) after the last step
//! theta = (alpha - 1) / (alpha + beta - 2)      at the aggregator, by [counts]
//! ```
//!
//! Rounds exchange the probabilities `theta`, one for each parameter, and masks in at most a bit each. The network that is
//! tested, and that a user takes away, is one mask of the probabilities, drawn from the federation's seed alone: the final
//! model is a seed and a mask. In each round a parameter is held against the same number, so that models of neighbouring
//! rounds differ where probabilities do.
//!
//! The paper's networks have no biases. Here they are frozen at zero, and their probabilities with them, so that they
//! change nothing and cost next to nothing.

mod counts;

use super::scores::{ScoreRules, ScoreTrainer, TrainedScores};
use super::{LocalJob, LocallyTrained, System, SystemContext, SystemKind};
use crate::Result;
use crate::codec::{OptionAbout, Options};
use crate::federation::strategy::{PartAbout, Strategy};
use crate::gpu::Gpu;
use crate::model::{FrozenNetwork, Layout, Optimizer};
use crate::training::MaskKind;
use counts::{BetaCounts, CountSettings};
use serde::Deserialize;

/// As specs name it.
pub(super) const FEDPM: SystemKind = SystemKind {
    name: "fedpm",
    about: PartAbout {
        summary: "masks over frozen random weights: a bit a parameter up, probabilities down",
        source: "Isik et al. 2022, FedPM (arXiv 2209.15328)",
        options: &[
            OptionAbout::new("lr", "0.1", "the rate of Adam on the scores"),
            OptionAbout::new("prior", "1", "alpha and beta before any mask was counted"),
            OptionAbout::new(
                "reset",
                "collaborators over those of a round",
                "rounds after which masks are counted anew",
            ),
            OptionAbout::new(
                "clip",
                "0.01",
                "how near to 0 and 1 probabilities are that training begins with",
            ),
        ],
        good_for: "final models of a seed and less than a bit a parameter",
        ..PartAbout::NOTHING
    },
    stages: "mask",
    make,
};

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    lr: f32,
    prior: f64,
    reset: Option<u32>,
    clip: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { lr: 0.1, prior: 1.0, reset: None, clip: 0.01 }
    }
}

fn make(options: &Options, context: &SystemContext<'_>) -> Result<Box<dyn System>> {
    let settings: Settings = options.parse()?;
    let Settings { lr, prior, reset, clip } = settings;
    if !(lr > 0.0 && lr.is_finite()) {
        return Err(options.refuse(format!("lr is {lr}"), "use a number above 0, such as 0.1"));
    }
    if !(prior >= 1.0 && prior.is_finite()) {
        return Err(options.refuse(format!("prior is {prior}"), "use 1 or more"));
    }
    if reset == Some(0) {
        return Err(options.refuse("reset is 0", "use 1 to count the masks of one round, or more"));
    }
    if !(clip > 0.0 && clip < 0.5) {
        return Err(options.refuse(format!("clip is {clip}"), "use a number between 0 and 0.5, such as 0.01"));
    }
    let network = FrozenNetwork::new(&context.classifier.layout(), context.seed as u32);
    let rules = ScoreRules {
        system: FEDPM.name,
        kind: MaskKind::Bernoulli,
        optimizer: Optimizer { lr, ..Optimizer::default() },
        seed: network.seed(),
        kept: None,
    };
    let trainer = ScoreTrainer::new(rules);
    Ok(Box::new(FedPm { layout: context.classifier.layout(), network, settings, trainer }))
}

struct FedPm {
    layout: Layout,
    network: FrozenNetwork,
    settings: Settings,
    trainer: ScoreTrainer,
}

/// The probability of a score.
fn sigmoid(score: f32) -> f64 {
    1.0 / (1.0 + (-f64::from(score)).exp())
}

impl FedPm {
    /// The scores of probabilities, which are kept away from 0 and 1.
    fn scores(&self, theta: &[f32]) -> Vec<f32> {
        let clip = self.settings.clip;
        let logit = |theta: &f32| {
            let p = f64::from(*theta).clamp(clip, 1.0 - clip);
            (p / (1.0 - p)).ln() as f32
        };
        theta.iter().map(logit).collect()
    }

    /// The probabilities of scores, none where there is nothing to keep.
    fn theta(&self, scores: &[f32]) -> Vec<f32> {
        let of = |(score, frozen): (&f32, &f32)| if *frozen == 0.0 { 0.0 } else { sigmoid(*score) as f32 };
        scores.iter().zip(self.network.weights()).map(of).collect()
    }
}

impl System for FedPm {
    fn layout(&self) -> Layout {
        self.layout.clone()
    }

    /// A half wherever there is a weight.
    fn initial(&self) -> Vec<f32> {
        self.network.weights().iter().map(|weight| if *weight == 0.0 { 0.0 } else { 0.5 }).collect()
    }

    fn weights(&self, _: &Gpu, values: &[f32]) -> Result<Vec<f32>> {
        Ok(self.network.masked(&self.network.drawn(values)))
    }

    fn train(&mut self, job: &LocalJob<'_>) -> Result<Vec<LocallyTrained>> {
        let start = self.scores(job.start);
        let trained = self.trainer.train(job, self.network.weights(), &start)?;
        let result = |TrainedScores { who, scores, epochs, steps }| {
            let own = self.theta(&scores);
            LocallyTrained { sent: self.network.sent(&own, who, job.round), own, epochs, steps }
        };
        Ok(trained.into_iter().map(result).collect())
    }

    /// As near to a one as to a zero.
    fn neutral(&self, start: &[f32]) -> Vec<f32> {
        vec![0.5; start.len()]
    }

    fn strategy(&self) -> Strategy {
        let Settings { prior, reset, .. } = self.settings;
        Strategy::replacing(BetaCounts::new(CountSettings { prior, reset }))
    }
}
