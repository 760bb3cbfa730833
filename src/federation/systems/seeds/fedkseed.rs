//! A sum of slopes for each of a few thousand directions that all share: FedKSeed (Qin et al. 2023, arXiv 2312.06353).
//!
//! ```text
//! w = w_0 - lr sum_j a_j z_j
//! ```
//!
//! with weights `w_0` and K directions `z_j` that all draw from the seed. A collaborator draws one of the directions in each
//! step, passes a batch forward twice, with weights `epsilon` ahead and behind along it, and adds the slope of the loss to
//! the direction's sum. The K sums are all that is sent, in both directions. Weights are linear in them, so that the mean of
//! sums stands for the mean of weights; and everybody replays them from `w_0` to weights of the same bits.
//!
//! The paper's directions are normal. Random signs have the same mean and covariance, and one hash has those of 32 weights,
//! so that a step costs little more than its passes forward; both are made of integers and the same on every device.

use super::trainer::{Directions, Trainer, refuse_sizes};
use crate::Result;
use crate::codec::{OptionAbout, Options};
use crate::federation::strategy::{Mean, PartAbout, Strategy};
use crate::federation::systems::{LocalJob, LocallyTrained, System, SystemContext, SystemKind};
use crate::gpu::Gpu;
use crate::model::Layout;
use crate::ops::directions::{DirectionKind, SlopeForm};
use crate::ops::random::pcg4d;
use crate::training::{Drawn, Family, ZerothOrderSettings, replay};
use serde::Deserialize;

/// As specs name it.
pub(in crate::federation::systems) const FEDKSEED: SystemKind = SystemKind {
    name: "fedkseed",
    about: PartAbout {
        summary: "sums of slopes along random directions that all share, by two passes forward a step",
        source: "Qin et al. 2023, FedKSeed (arXiv 2312.06353)",
        options: &[
            OptionAbout::new(
                "seeds",
                "4096",
                "how many directions there are, each with four bytes of a message",
            ),
            OptionAbout::new("lr", "0.001", "what a slope is multiplied by for a step"),
            OptionAbout::new("epsilon", "0.001", "how far ahead and behind weights are tried"),
            OptionAbout::new("directions", "rademacher", "random signs, or normal values"),
        ],
        good_for: "messages of 16 KB in both directions, whatever the model; training in the memory of a pass forward",
        ..PartAbout::NOTHING
    },
    stages: "raw",
    make: |options, context| Ok(Box::new(FedKSeed::new(options, context)?)),
};

/// The field that what goes wrong is named by.
const PLACE: &str = "codecs: fedkseed";

/// More sums than that, and messages are no smaller than those of many models.
const MOST_SEEDS: u32 = 1 << 20;

/// Counters beside the seed and the round, so that draws have nothing in common with others.
const DIRECTIONS: u32 = 0x6469_7265;
const STEPS: u32 = 0x7374_6570;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Given {
    seeds: u32,
    lr: f32,
    epsilon: f32,
    directions: Directions,
}

impl Default for Given {
    fn default() -> Self {
        Self { seeds: 4096, lr: 1e-3, epsilon: 1e-3, directions: Directions::default() }
    }
}

struct FedKSeed {
    seed: u64,
    seeds: u32,
    rate: f32,
    kind: DirectionKind,
    trainer: Trainer,
    /// `w_0`
    initial: Vec<f32>,
}

impl FedKSeed {
    fn new(options: &Options, context: &SystemContext<'_>) -> Result<Self> {
        let Given { seeds, lr, epsilon, directions } = options.parse()?;
        if !(1..=MOST_SEEDS).contains(&seeds) {
            let mend = format!("set seeds to 1 to {MOST_SEEDS}");
            return Err(options.refuse(format!("sums along {seeds} directions"), mend));
        }
        refuse_sizes(options, &[("lr", lr, "0.001"), ("epsilon", epsilon, "0.001")])?;
        let kind = directions.into();
        let settings = ZerothOrderSettings {
            batch: 0,
            reach: epsilon,
            rate: lr,
            directions: kind,
            slopes: SlopeForm::Exact,
            slots: seeds as usize,
        };
        Ok(Self {
            seed: context.seed,
            seeds,
            rate: lr,
            kind,
            trainer: Trainer::new(PLACE, settings),
            // Seeds of specs have 32 bits.
            initial: context.classifier.initial_weights(context.seed as u32),
        })
    }

    /// The key of the directions, which are the same in all rounds.
    fn key(&self) -> [u32; 2] {
        [self.seed as u32, DIRECTIONS]
    }
}

impl System for FedKSeed {
    fn layout(&self) -> Layout {
        Layout::flat(self.seeds as usize)
    }

    fn initial(&self) -> Vec<f32> {
        vec![0.0; self.seeds as usize]
    }

    fn weights(&self, gpu: &Gpu, values: &[f32]) -> Result<Vec<f32>> {
        let factors: Vec<_> = values.iter().map(|sum| -self.rate * sum).collect();
        replay(gpu, &self.initial, self.kind, &[Family { key: self.key(), factors: &factors }])
    }

    fn train(&mut self, job: &LocalJob<'_>) -> Result<Vec<LocallyTrained>> {
        let weights = self.weights(job.gpu, job.start)?;
        let (key, seeds) = (self.key(), self.seeds);
        let draw = |who: u32, step: u64| {
            let word = pcg4d([step as u32, who, job.round, job.seed as u32 ^ STEPS])[0];
            Drawn { key, number: word % seeds }
        };
        let walked = self.trainer.train(job, &weights, &draw)?;
        let each = walked.into_iter().map(|own| {
            let sums: Vec<_> =
                job.start.iter().zip(&own.slopes).map(|(start, slope)| start + slope).collect();
            LocallyTrained { sent: sums.clone(), own: sums, epochs: own.epochs, steps: own.steps }
        });
        Ok(each.collect())
    }

    fn strategy(&self) -> Strategy {
        Strategy::replacing(Mean::default())
    }
}
