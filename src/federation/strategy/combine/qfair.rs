//! Collaborators with a larger loss weigh more.

use super::vectors::{distance_squared, moved, on_host};
use crate::codec::{Kept, OptionAbout, Options};
use crate::federation::strategy::{Arrived, Combine, CombineKind, PartAbout, StrategyRound};
use crate::{Error, Result};
use serde::Deserialize;

/// As specs name it.
pub const QFAIR: CombineKind = CombineKind {
    name: "qfair",
    about: PartAbout {
        summary: "a step that weighs collaborators by the loss of the global model on their images, to the power of q",
        source: "Li et al. 2019, q-FedAvg (arXiv 1905.10497)",
        options: &[
            OptionAbout::new("q", "0.1", "how much a larger loss counts; 0 is the plain mean"),
            OptionAbout::new(
                "rate",
                "the optimiser's",
                "the rate whose inverse is taken as Lipschitz constant",
            ),
        ],
        good_for: "an accuracy that is alike for all, at some cost in the mean",
        sends: "the loss of the global model on one's own images, 4 bytes up",
        ..PartAbout::NOTHING
    },
    make,
};

/// What is added to a loss, so that none is zero; Flower adds the same.
const LEAST: f64 = 1e-10;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Qfair {
    q: f64,
    rate: Option<f64>,
    #[serde(skip)]
    kept: Kept,
}

impl Default for Qfair {
    fn default() -> Self {
        Self { q: 0.1, rate: None, kept: Kept::default() }
    }
}

fn make(options: &Options) -> Result<Box<dyn Combine>> {
    let rule: Qfair = options.parse()?;
    if !(rule.q >= 0.0 && rule.q.is_finite()) {
        return Err(options.refuse(format!("a q of {}", rule.q), "use 0 or more, such as 0.1"));
    }
    if let Some(rate) = rule.rate.filter(|rate| !(*rate > 0.0 && rate.is_finite())) {
        return Err(options.refuse(format!("a rate of {rate}"), "use one above 0, or leave it out"));
    }
    Ok(Box::new(rule))
}

/// With `L = 1 / rate`, the loss `F_k` and `g_k = L (w - w_k)`: `D_k = F_k^q g_k`, `h_k = q F_k^(q-1) |g_k|^2 + L F_k^q`
/// and `w = w - sum of D_k / sum of h_k`. Numbers of images do not count.
impl Combine for Qfair {
    fn combine(&mut self, round: &StrategyRound<'_>, arrived: &[Arrived]) -> Result<Vec<f32>> {
        let updates = on_host(round.gpu, arrived)?;
        let lipschitz = 1.0 / self.rate.unwrap_or(f64::from(round.optimizer.lr));
        let mut factors = Vec::with_capacity(updates.len());
        let mut divisor = 0.0;
        for (arrived, update) in arrived.iter().zip(&updates) {
            let loss = arrived.loss.ok_or_else(|| {
                Error::fault(format!("collaborator {} has sent no loss of the global model", arrived.who))
            })?;
            let weight = (loss + LEAST).powf(self.q);
            let length = lipschitz * lipschitz * distance_squared(update, round.global);
            divisor += self.q * (loss + LEAST).powf(self.q - 1.0) * length + lipschitz * weight;
            factors.push(weight * lipschitz);
        }
        factors.iter_mut().for_each(|factor| *factor /= divisor);
        Ok(moved(round.global, &updates, &factors))
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.kept
    }

    fn wants_loss(&self) -> bool {
        true
    }
}
