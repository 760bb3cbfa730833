//! Adam at the aggregator.

use super::adaptive::{Adaptive, Step, check_options};
use crate::Result;
use crate::codec::{Kept, OptionAbout, Options};
use crate::federation::strategy::{PartAbout, Server, ServerKind, StrategyRound};
use serde::Deserialize;

/// As specs name it.
pub const ADAM: ServerKind = ServerKind {
    name: "adam",
    about: PartAbout {
        summary: "a step of Adam along what the round changed",
        source: "Reddi et al. 2020, FedAdam (arXiv 2003.00295)",
        options: &[
            OptionAbout::new("rate", "0.1", "rate of the step; or eta"),
            OptionAbout::new("eta", "0.1", "the same by its name in the paper and in Flower"),
            OptionAbout::new("beta1", "0.9", "part of the first moments that stays"),
            OptionAbout::new("beta2", "0.99", "part of the second moments that stays"),
            OptionAbout::new("tau", "0.001", "summand of the divisor: the larger, the less adaptive"),
            OptionAbout::new(
                "bias_correction",
                "true",
                "scale the rate by sqrt(1 - beta2^(t+1)) / (1 - beta1^(t+1)), as Flower does; the paper does not",
            ),
        ],
        good_for: "sparse or uneven gradients, such as those of language models",
        ..PartAbout::NOTHING
    },
    make,
};

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Adam {
    #[serde(alias = "eta")]
    rate: f64,
    beta1: f64,
    beta2: f64,
    tau: f64,
    bias_correction: bool,
    #[serde(skip)]
    moments: Adaptive,
}

impl Default for Adam {
    fn default() -> Self {
        let moments = Adaptive::default();
        Self { rate: 0.1, beta1: 0.9, beta2: 0.99, tau: 1e-3, bias_correction: true, moments }
    }
}

fn make(options: &Options) -> Result<Box<dyn Server>> {
    let adam: Adam = options.parse()?;
    check_options(options, adam.rate, &[adam.beta1, adam.beta2], adam.tau)?;
    Ok(Box::new(adam))
}

/// `v = beta2 * v + (1 - beta2) * d^2`, where `d` is what the round changed. The correction is Flower's, whose exponent
/// is the number of the round and one more.
impl Server for Adam {
    fn step(&mut self, round: &StrategyRound<'_>, global: &mut [f32], combined: &[f32]) {
        let &mut Self { rate, beta1, beta2, tau, bias_correction, .. } = self;
        let exponent = f64::from(round.number) + 1.0;
        let corrected = || (1.0 - beta2.powf(exponent)).sqrt() / (1.0 - beta1.powf(exponent));
        let correction = if bias_correction { corrected() } else { 1.0 };
        let second = |v: f64, square: f64| beta2 * v + (1.0 - beta2) * square;
        self.moments.step(global, combined, Step { beta1, rate: rate * correction, tau, second });
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.moments.0
    }

    fn check_kept(&mut self, parameters: usize) -> Result<()> {
        self.moments.check(parameters)
    }
}
