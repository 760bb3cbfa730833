//! Yogi at the aggregator.

use super::adaptive::{Adaptive, Step, check_options};
use crate::Result;
use crate::codec::{Kept, OptionAbout, Options};
use crate::federation::strategy::{PartAbout, Server, ServerKind, StrategyRound};
use serde::Deserialize;

/// As specs name it.
pub const YOGI: ServerKind = ServerKind {
    name: "yogi",
    about: PartAbout {
        summary: "a step of Yogi along what the round changed: Adam whose second moments change by as much, up or down",
        source: "Reddi et al. 2020, FedYogi (arXiv 2003.00295)",
        options: &[
            OptionAbout::new("rate", "0.01", "rate of the step; or eta"),
            OptionAbout::new("eta", "0.01", "the same by its name in the paper and in Flower"),
            OptionAbout::new("beta1", "0.9", "part of the first moments that stays"),
            OptionAbout::new("beta2", "0.99", "how slowly second moments change"),
            OptionAbout::new("tau", "0.001", "summand of the divisor: the larger, the less adaptive"),
        ],
        good_for: "what adam is for, where rounds differ a lot",
        ..PartAbout::NOTHING
    },
    make,
};

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Yogi {
    #[serde(alias = "eta")]
    rate: f64,
    beta1: f64,
    beta2: f64,
    tau: f64,
    #[serde(skip)]
    moments: Adaptive,
}

impl Default for Yogi {
    fn default() -> Self {
        Self { rate: 0.01, beta1: 0.9, beta2: 0.99, tau: 1e-3, moments: Adaptive::default() }
    }
}

fn make(options: &Options) -> Result<Box<dyn Server>> {
    let yogi: Yogi = options.parse()?;
    check_options(options, yogi.rate, &[yogi.beta1, yogi.beta2], yogi.tau)?;
    Ok(Box::new(yogi))
}

/// `v = v - (1 - beta2) * d^2 * sign(v - d^2)`, where `d` is what the round changed.
impl Server for Yogi {
    fn step(&mut self, _: &StrategyRound<'_>, global: &mut [f32], combined: &[f32]) {
        let &mut Self { rate, beta1, beta2, tau, .. } = self;
        // The sign of zero is zero, which `signum` does not say; there the square is the moment.
        let second = |v: f64, square: f64| {
            let sign = if v == square { 0.0 } else { (v - square).signum() };
            v - (1.0 - beta2) * square * sign
        };
        self.moments.step(global, combined, Step { beta1, rate, tau, second });
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.moments.0
    }

    fn check_kept(&mut self, parameters: usize) -> Result<()> {
        self.moments.check(parameters)
    }
}
