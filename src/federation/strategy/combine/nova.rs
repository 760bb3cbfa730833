//! Updates that count by the step, however many steps each took.

use super::vectors::{moved, on_host, shares};
use crate::codec::{Kept, NoOptions};
use crate::federation::strategy::{Arrived, Combine, CombineKind, PartAbout, StrategyRound};
use crate::model::Optimizer;
use crate::{Error, Result};

/// As specs name it.
pub const NOVA: CombineKind = CombineKind {
    name: "nova",
    about: PartAbout {
        summary: "the mean of changes a step, times the mean number of steps; local training is by SGD",
        source: "Wang et al. 2020, FedNova (arXiv 2007.07481)",
        good_for: "collaborators with different numbers of images, and so of steps",
        needs: "optimizer.kind=sgd",
        ..PartAbout::NOTHING
    },
    make: |options| options.parse::<NoOptions>().map(|_| Box::<Nova>::default() as _),
};

#[derive(Default)]
struct Nova(Kept);

/// `|a|_1` of the paper: how often each gradient of so many steps is in the change, all together. Without momentum each
/// is in it once; with momentum `p` the one of the i-th last step is in it `1 + p + ... + p^(i-1)` times.
fn norm(steps: u64, momentum: f64) -> f64 {
    let steps = steps as f64;
    let left = 1.0 - momentum;
    (steps - momentum * (1.0 - momentum.powf(steps)) / left) / left
}

/// `global + (sum of p_i |a_i|) * sum of p_i (w_i - global) / |a_i|`, where `p_i` is the part of all images.
impl Combine for Nova {
    fn combine(&mut self, round: &StrategyRound<'_>, arrived: &[Arrived]) -> Result<Vec<f32>> {
        let updates = on_host(round.gpu, arrived)?;
        let momentum = f64::from(round.optimizer.momentum);
        let norms: Vec<_> = arrived.iter().map(|arrived| norm(arrived.steps, momentum)).collect();
        let shares = shares(arrived);
        let effective: f64 = shares.iter().zip(&norms).map(|(share, norm)| share * norm).sum();
        // Who took no step has changed nothing.
        let factor = |(share, norm): (&f64, &f64)| if *norm > 0.0 { effective * share / norm } else { 0.0 };
        let factors: Vec<_> = shares.iter().zip(&norms).map(factor).collect();
        Ok(moved(round.global, &updates, &factors))
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.0
    }

    fn check(&self, optimizer: &Optimizer) -> Result<()> {
        if !optimizer.is_adaptive() {
            return Ok(());
        }
        let problem =
            "nova counts by the step what SGD has changed, and adam's steps are no sums of gradients";
        Err(Error::setting("optimizer.kind", problem, "set it to sgd, or use another strategy"))
    }
}

#[cfg(test)]
mod tests {
    use super::norm;

    #[test]
    fn the_norm_counts_each_gradient_as_often_as_momentum_brings_it_back() {
        for (steps, momentum) in [(1, 0.0), (7, 0.0), (1, 0.5), (3, 0.5), (40, 0.9)] {
            let (mut velocity, mut moved) = (0.0, 0.0);
            for _ in 0..steps {
                // A gradient of one in each step of SGD at a rate of one.
                velocity = momentum * velocity + 1.0;
                moved += velocity;
            }
            assert!((norm(steps, momentum) - moved).abs() < 1e-9 * moved, "{steps} {momentum}");
        }
        assert_eq!(norm(0, 0.9), 0.0);
    }
}
