//! Control variates, with momentum or without.

use super::sgd::expect_plain_sgd;
use crate::Result;
use crate::codec::{Kept, NoOptions, expect_length};
use crate::federation::strategy::{Drift, Local, LocalKind, LocalResult, PartAbout, StrategyRound};
use crate::model::Optimizer;

/// As specs name it.
pub const SCAFFOLD: LocalKind = LocalKind {
    name: "scaffold",
    about: PartAbout {
        summary: "control variates: steps are corrected by what they differ from those of all",
        source: "Karimireddy et al. 2020, SCAFFOLD (arXiv 1910.06378)",
        good_for: "shares that differ much, where twice the bytes are no matter",
        sends: "as many values as the model has, each way, and none down in the first round",
        needs: "optimizer.kind=sgd",
        ..PartAbout::NOTHING
    },
    make: |options| options.parse::<NoOptions>().map(|_| Box::new(Scaffold::new()) as _),
};

/// What either side calls its control variate.
const CONTROL: &str = "control";
/// The direction that the last round went in, a step's worth of it.
const MOMENTUM: &str = "momentum";

/// Control variates (SCAFFOLD, Karimireddy et al. 2020, arXiv 1910.06378, algorithm 1 with option II): collaborator `i`
/// keeps `c_i`, the mean gradient of its last steps, the aggregator keeps `c`, their mean over all collaborators,
/// whether they take part or not, and every step is `w -= rate * (g - c_i + c)`. After `K` steps from `x` to `y`,
/// `c_i` becomes `c_i - c + (x - y) / (K * rate)`; the collaborator sends by how much that differs, `delta`, and `c`
/// grows by the sum of those over the number of collaborators. The paper takes the mean of updates without weights, as
/// the preset does, and its step of the global model is `replace`, at a global rate of 1.
///
/// With momentum it is SCAFFOLD-M (Cheng et al. 2024, arXiv 2306.16504): every step is
/// `w -= rate * (beta * (g - c_i + c) + (1 - beta) * m)`, where `m` is the mean direction of the last round's steps, and
/// zero in the first round. It is written from the description of the method, not from its authors' code, and two things
/// follow from how it is written. `d = beta * c + (1 - beta) * m` is all that collaborators need of the aggregator, so
/// that no more goes down than without momentum: `delta = ((x - y) / (K * rate) - d) / beta`, and the new direction is
/// `d + beta * mean(delta)`. And where collaborators take different numbers of steps, each divides by its own. The
/// paper's global rate is the local one times the number of steps, which is `replace`.
#[derive(Debug)]
pub struct Scaffold {
    /// Part of a step that is the gradient's: 1 without momentum.
    pub beta: f32,
    kept: Kept,
}

impl Scaffold {
    /// Without momentum.
    pub fn new() -> Self {
        Self::with_momentum(1.0)
    }

    /// With steps of which `1 - beta` is the last round's direction.
    pub fn with_momentum(beta: f32) -> Self {
        Self { beta, kept: Kept::default() }
    }
}

impl Default for Scaffold {
    fn default() -> Self {
        Self::new()
    }
}

impl Local for Scaffold {
    fn broadcast(&self) -> Option<Vec<f32>> {
        // Before the first round both are zero, which needs no message.
        let control = self.kept.get(CONTROL)?;
        Some(match self.kept.get(MOMENTUM) {
            None => control.to_vec(),
            Some(momentum) => {
                let both = control.iter().zip(momentum);
                both.map(|(control, momentum)| self.beta * control + (1.0 - self.beta) * momentum).collect()
            }
        })
    }

    fn drift(&self, optimizer: &Optimizer, broadcast: Option<&[f32]>, kept: &Kept) -> Option<Drift> {
        let (rate, beta) = (optimizer.lr, self.beta);
        let correction = match (broadcast, kept.get(CONTROL)) {
            (None, None) => None,
            (Some(sent), None) => Some(sent.iter().map(|sent| rate * sent).collect()),
            (None, Some(own)) => Some(own.iter().map(|own| -rate * beta * own).collect()),
            (Some(sent), Some(own)) => {
                Some(sent.iter().zip(own).map(|(sent, own)| rate * (sent - beta * own)).collect())
            }
        };
        Some(Drift { gradient: beta, pull: 0.0, correction })
    }

    fn report(&self, done: &LocalResult<'_>, kept: &mut Kept) -> Option<Vec<f32>> {
        // Nothing can be said of the gradients of one who took no step.
        if done.steps == 0 {
            return None;
        }
        let whole = done.optimizer.lr * done.steps as f32;
        let moved = done.global.iter().zip(done.weights).map(|(begun, now)| (begun - now) / whole);
        let delta: Vec<f32> = match done.broadcast {
            None => moved.map(|moved| moved / self.beta).collect(),
            Some(sent) => moved.zip(sent).map(|(moved, sent)| (moved - sent) / self.beta).collect(),
        };
        let control = match kept.get(CONTROL) {
            None => delta.clone(),
            Some(control) => control.iter().zip(&delta).map(|(control, delta)| control + delta).collect(),
        };
        kept.put(CONTROL, control);
        Some(delta)
    }

    fn absorb(&mut self, round: &StrategyRound<'_>, reports: &[(u32, Vec<f32>)]) {
        let Some((_, first)) = reports.first() else { return };
        let sent = self.broadcast().unwrap_or_else(|| vec![0.0; first.len()]);
        let mut sums = vec![0f64; first.len()];
        for (_, delta) in reports {
            sums.iter_mut().zip(delta).for_each(|(sum, delta)| *sum += f64::from(*delta));
        }
        let all = round.collaborators as f64;
        let control = self.kept.get(CONTROL).map_or_else(|| vec![0.0; first.len()], <[f32]>::to_vec);
        let control =
            control.iter().zip(&sums).map(|(control, sum)| (f64::from(*control) + sum / all) as f32);
        self.kept.put(CONTROL, control.collect());
        if self.beta < 1.0 {
            let part = f64::from(self.beta) / reports.len() as f64;
            let momentum = sent.iter().zip(&sums).map(|(sent, sum)| (f64::from(*sent) + part * sum) as f32);
            self.kept.put(MOMENTUM, momentum.collect());
        }
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.kept
    }

    fn check_kept(&mut self, parameters: usize) -> Result<()> {
        let all = [CONTROL, MOMENTUM].map(|name| (name, self.kept.get(name)));
        all.into_iter().try_for_each(|(name, values)| check(name, values, parameters))
    }

    fn check_collaborator(&self, parameters: usize, kept: &Kept) -> Result<()> {
        check(CONTROL, kept.get(CONTROL), parameters)
    }

    fn check(&self, optimizer: &Optimizer) -> Result<()> {
        expect_plain_sgd(if self.beta < 1.0 { "scaffold-m" } else { "scaffold" }, optimizer)
    }
}

fn check(name: &str, values: Option<&[f32]>, parameters: usize) -> Result<()> {
    values.map_or(Ok(()), |values| expect_length(name, values.len(), parameters))
}
