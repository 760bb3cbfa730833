//! One byte a step, in both directions (Zelikman et al. 2023, "Just One Byte (per gradient)", arXiv 2306.10015).
//!
//! ```text
//! w_c  = w - lr sum_s b_cs z_cs                      a collaborator's steps, one by one
//! w    = w - lr sum_c (n_c / n) sum_s b_cs z_cs      everybody, of all that arrived
//! ```
//!
//! The direction `z_cs` of a step is drawn from the seed, the round, the collaborator and the step. A collaborator passes a
//! batch forward twice, with weights `epsilon` ahead and behind along it, and takes for the slope `b` the nearest number
//! that a byte can say, so that its own steps are those that others replay. It sends these bytes. In the next round
//! everybody that has the weights before gets the bytes of all in place of the weights, and replays them in one kernel.

use super::trainer::{Directions, Trainer, refuse_sizes};
use crate::codec::{Kept, OptionAbout, Options, Values};
use crate::federation::strategy::{Arrived, Combine, PartAbout, Strategy, StrategyRound};
use crate::federation::systems::{LocalJob, LocallyTrained, System, SystemContext, SystemKind};
use crate::gpu::Gpu;
use crate::model::Layout;
use crate::ops::directions::{DirectionKind, SlopeForm};
use crate::ops::random::pcg4d;
use crate::training::{Drawn, Family, ZerothOrderSettings, replay};
use crate::{Error, Result};
use serde::Deserialize;

/// As specs name it.
pub(in crate::federation::systems) const ONEBYTE: SystemKind = SystemKind {
    name: "onebyte",
    about: PartAbout {
        summary: "the slope of each step in a byte, along a random direction that all can draw; down go the bytes of all",
        source: "Zelikman et al. 2023, one byte a gradient (arXiv 2306.10015)",
        options: &[
            OptionAbout::new("lr", "0.001", "what a slope is multiplied by for a step"),
            OptionAbout::new("epsilon", "0.001", "how far ahead and behind weights are tried"),
            OptionAbout::new("unit", "0.0625", "what a slope of 1 is in E4M3: the largest is 448 of them"),
            OptionAbout::new("directions", "rademacher", "random signs, or normal values"),
        ],
        good_for: "a byte a step in both directions, whatever the model; training in the memory of a pass forward",
        ..PartAbout::NOTHING
    },
    stages: "byte",
    make: |options, context| Ok(Box::new(OneByte::new(options, context)?)),
};

/// The field that what goes wrong is named by.
const PLACE: &str = "codecs: onebyte";

/// A counter beside the seed and the round, so that directions have nothing in common with other draws.
const STEPS: u32 = 0x6279_7465;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Given {
    lr: f32,
    epsilon: f32,
    unit: f32,
    directions: Directions,
}

impl Default for Given {
    fn default() -> Self {
        Self { lr: 1e-3, epsilon: 1e-3, unit: 1.0 / 16.0, directions: Directions::default() }
    }
}

/// How steps are replayed: all that both sides have to know beside the bytes.
#[derive(Clone, Copy, Debug)]
struct Steps {
    seed: u64,
    rate: f32,
    unit: f32,
    kind: DirectionKind,
}

/// What a collaborator's steps of a round count for.
struct Walk {
    who: u32,
    /// Its part of all images.
    share: f32,
    /// The slope of each step, in units.
    slopes: Vec<f32>,
}

impl Steps {
    /// The key of a collaborator's directions of a round, which have the numbers of steps. No two of a round are alike.
    fn key(&self, round: u32, who: u32) -> [u32; 2] {
        // Seeds of specs have 32 bits.
        [pcg4d([round, STEPS, 0, self.seed as u32])[0], who]
    }

    /// The weights that these steps of a round lead to, one collaborator after the other.
    fn replayed(&self, gpu: &Gpu, start: &[f32], round: u32, walks: &[Walk]) -> Result<Vec<f32>> {
        let factors = |walk: &Walk| {
            let rate = -(self.rate * walk.share);
            walk.slopes.iter().map(|slope| rate * (self.unit * slope)).collect::<Vec<_>>()
        };
        let factors: Vec<_> = walks.iter().map(factors).collect();
        let families = walks.iter().zip(&factors);
        let families = families.map(|(walk, factors)| Family { key: self.key(round, walk.who), factors });
        replay(gpu, start, self.kind, &families.collect::<Vec<_>>())
    }
}

struct OneByte {
    steps: Steps,
    layout: Layout,
    initial: Vec<f32>,
    trainer: Trainer,
}

impl OneByte {
    fn new(options: &Options, context: &SystemContext<'_>) -> Result<Self> {
        let Given { lr, epsilon, unit, directions } = options.parse()?;
        refuse_sizes(
            options,
            &[("lr", lr, "0.001"), ("epsilon", epsilon, "0.001"), ("unit", unit, "0.0625")],
        )?;
        let kind = directions.into();
        let settings = ZerothOrderSettings {
            batch: 0,
            reach: epsilon,
            rate: lr,
            directions: kind,
            slopes: SlopeForm::Byte(unit),
            slots: 0,
        };
        Ok(Self {
            steps: Steps { seed: context.seed, rate: lr, unit, kind },
            layout: context.classifier.layout(),
            initial: context.classifier.initial_weights(context.seed as u32),
            trainer: Trainer::new(PLACE, settings),
        })
    }
}

impl System for OneByte {
    fn layout(&self) -> Layout {
        self.layout.clone()
    }

    fn initial(&self) -> Vec<f32> {
        self.initial.clone()
    }

    fn weights(&self, _: &Gpu, values: &[f32]) -> Result<Vec<f32>> {
        Ok(values.to_vec())
    }

    fn train(&mut self, job: &LocalJob<'_>) -> Result<Vec<LocallyTrained>> {
        let (local, steps, most) = (job.local, self.steps, job.start.len());
        let slots = job.epochs as usize * local.largest_share.div_ceil(local.batch.max(1));
        if slots > most {
            let problem =
                format!("{slots} steps a round are more bytes than the {most} weights have room for");
            let mend = "use fewer local_epochs, or a larger batch";
            return Err(Error::setting(PLACE, problem, mend));
        }
        let draw = |who: u32, step: u64| Drawn { key: steps.key(job.round, who), number: step as u32 };
        let walked = self.trainer.with_slots(slots).train(job, job.start, &draw)?;
        let each = job.who.iter().zip(walked).map(|(&who, own)| {
            let taken = own.slopes.iter().take(own.steps as usize);
            let slopes: Vec<_> = taken.map(|slope| slope / steps.unit).collect();
            let walk = Walk { who, share: 1.0, slopes };
            let weights = steps.replayed(job.gpu, job.start, job.round, std::slice::from_ref(&walk))?;
            Ok(LocallyTrained { sent: walk.slopes, own: weights, epochs: own.epochs, steps: own.steps })
        });
        each.collect()
    }

    /// Steps of no length.
    fn neutral(&self, start: &[f32]) -> Vec<f32> {
        vec![0.0; start.len()]
    }

    fn echoes(&self) -> bool {
        true
    }

    fn strategy(&self) -> Strategy {
        Strategy::replacing(Replayed { steps: self.steps, kept: Kept::default() })
    }
}

/// Goes all steps that arrived, each by its collaborator's part of all images.
struct Replayed {
    steps: Steps,
    kept: Kept,
}

impl Combine for Replayed {
    fn combine(&mut self, round: &StrategyRound<'_>, arrived: &[Arrived]) -> Result<Vec<f32>> {
        let all: f64 = arrived.iter().map(|one| one.samples as f64).sum();
        let walk = |one: &Arrived| {
            let mut update: Values = one.update.clone();
            let mut slopes = update.take(round.gpu)?;
            // Behind the steps that it took there is nothing.
            slopes.truncate(one.steps as usize);
            Ok(Walk { who: one.who, share: (one.samples as f64 / all.max(1.0)) as f32, slopes })
        };
        let walks = arrived.iter().map(walk).collect::<Result<Vec<_>>>()?;
        self.steps.replayed(round.gpu, round.global, round.number, &walks)
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.kept
    }
}
