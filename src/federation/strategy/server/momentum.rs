//! Momentum at the aggregator.

use crate::Result;
use crate::codec::{Kept, OptionAbout, Options, expect_length};
use crate::federation::strategy::{PartAbout, Server, ServerKind, StrategyRound};
use serde::Deserialize;

/// As specs name it.
pub const MOMENTUM: ServerKind = ServerKind {
    name: "momentum",
    about: PartAbout {
        summary: "a step of momentum along what the round changed",
        source: "Hsu et al. 2019, FedAvgM (arXiv 1909.06335)",
        options: &[
            OptionAbout::new("momentum", "0.9", "part of the velocity that stays"),
            OptionAbout::new("rate", "1", "rate of the step"),
        ],
        good_for: "shares of different classes, where single rounds swing",
        ..PartAbout::NOTHING
    },
    make,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MomentumOptions {
    #[serde(default = "usual_momentum")]
    momentum: f32,
    #[serde(default = "usual_rate")]
    rate: f32,
}

fn usual_momentum() -> f32 {
    0.9
}

fn usual_rate() -> f32 {
    1.0
}

fn make(options: &Options) -> Result<Box<dyn Server>> {
    let MomentumOptions { momentum, rate } = options.parse()?;
    if !(0.0..1.0).contains(&momentum) {
        return Err(options.refuse(format!("a momentum of {momentum}"), "use 0 to below 1, such as 0.9"));
    }
    if !(rate > 0.0 && rate.is_finite()) {
        return Err(options.refuse(format!("a rate of {rate}"), "use one above 0, such as 1"));
    }
    Ok(Box::new(Momentum::new(momentum, rate)))
}

/// A step of momentum along what the round changed (FedAvgM, Hsu et al. 2019): with `d = global - combined`,
/// `v = momentum * v + d` and `global -= rate * v`.
#[derive(Debug)]
pub struct Momentum {
    /// Part of the velocity that stays.
    pub momentum: f32,
    /// Rate of the step.
    pub rate: f32,
    kept: Kept,
}

/// The name of the velocity.
const VELOCITY: &str = "velocity";

impl Momentum {
    /// At rest.
    pub fn new(momentum: f32, rate: f32) -> Self {
        Self { momentum, rate, kept: Kept::default() }
    }
}

impl Server for Momentum {
    fn step(&mut self, _: &StrategyRound<'_>, global: &mut [f32], combined: &[f32]) {
        let mut velocity = self.kept.get(VELOCITY).map_or_else(|| vec![0.0; global.len()], <[f32]>::to_vec);
        for ((global, combined), velocity) in global.iter_mut().zip(combined).zip(&mut velocity) {
            *velocity = self.momentum * *velocity + (*global - combined);
            *global -= self.rate * *velocity;
        }
        self.kept.put(VELOCITY, velocity);
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.kept
    }

    fn check_kept(&mut self, parameters: usize) -> Result<()> {
        match self.kept.get(VELOCITY) {
            Some(velocity) => expect_length(VELOCITY, velocity.len(), parameters),
            None => Ok(()),
        }
    }
}
