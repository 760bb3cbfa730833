//! Adagrad at the aggregator.

use super::adaptive::{Adaptive, Step, check_options};
use crate::Result;
use crate::codec::{Kept, OptionAbout, Options};
use crate::federation::strategy::{PartAbout, Server, ServerKind, StrategyRound};
use serde::Deserialize;

/// As specs name it.
pub const ADAGRAD: ServerKind = ServerKind {
    name: "adagrad",
    about: PartAbout {
        summary: "a step of Adagrad along what the round changed",
        source: "Reddi et al. 2020, FedAdagrad (arXiv 2003.00295)",
        options: &[
            OptionAbout::new("rate", "0.1", "rate of the step; or eta"),
            OptionAbout::new("eta", "0.1", "the same by its name in the paper and in Flower"),
            OptionAbout::new("beta1", "0", "part of the first moments that stays"),
            OptionAbout::new("tau", "0.001", "summand of the divisor: the larger, the less adaptive"),
        ],
        good_for: "steps that become shorter by themselves",
        ..PartAbout::NOTHING
    },
    make,
};

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Adagrad {
    #[serde(alias = "eta")]
    rate: f64,
    beta1: f64,
    tau: f64,
    #[serde(skip)]
    moments: Adaptive,
}

impl Default for Adagrad {
    fn default() -> Self {
        Self { rate: 0.1, beta1: 0.0, tau: 1e-3, moments: Adaptive::default() }
    }
}

fn make(options: &Options) -> Result<Box<dyn Server>> {
    let adagrad: Adagrad = options.parse()?;
    check_options(options, adagrad.rate, &[adagrad.beta1], adagrad.tau)?;
    Ok(Box::new(adagrad))
}

/// `v = v + d^2`, where `d` is what the round changed.
impl Server for Adagrad {
    fn step(&mut self, _: &StrategyRound<'_>, global: &mut [f32], combined: &[f32]) {
        let &mut Self { rate, beta1, tau, .. } = self;
        let second = |v: f64, square: f64| v + square;
        self.moments.step(global, combined, Step { beta1, rate, tau, second });
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.moments.0
    }

    fn check_kept(&mut self, parameters: usize) -> Result<()> {
        self.moments.check(parameters)
    }
}
