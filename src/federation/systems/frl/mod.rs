//! FRL, federated rank learning (Mozaffari, Shejwalkar and Houmansadr 2021, arXiv 2110.04350): the weights are random and
//! stay as they are, and collaborators vote on how important each of them is.
//!
//! ```text
//! s    = the initial scores of a tensor, put where the ranking has them    a collaborator's scores
//! w    = frozen where s is among the largest of its tensor, the part keep; the gradient of s is that of the sum s * frozen
//! sent = the ranks of s: 0 for the smallest score of its tensor            after the last step
//! R    = the order of the sums of the ranks that were sent                 at the aggregator, by [vote]
//! ```
//!
//! Rounds exchange rankings in both directions: of each tensor a permutation, whatever a collaborator sends, so that an
//! attacker has one vote and no loudness. Scores train by edge-popup (Ramanujan et al. 2019, arXiv 1911.13299). The tested
//! model is the frozen network under the mask that the ranking says: a seed and a mask.
//!
//! The paper's networks have no biases. Here they are frozen at zero, and are neither ranked nor sent.

mod vote;

use super::scores::{ScoreRules, ScoreTrainer, TrainedScores};
use super::{LocalJob, LocallyTrained, System, SystemContext, SystemKind};
use crate::Result;
use crate::codec::{OptionAbout, Options};
use crate::federation::strategy::{PartAbout, Strategy};
use crate::gpu::Gpu;
use crate::model::{FrozenNetwork, Layout, Optimizer, OptimizerKind, Ranking, initial_scores};
use crate::training::{KeptPart, MaskKind};
use serde::Deserialize;
use vote::Vote;

/// As specs name it.
pub(super) const FRL: SystemKind = SystemKind {
    name: "frl",
    about: PartAbout {
        summary: "rankings of frozen random weights, on which collaborators vote",
        source: "Mozaffari et al. 2021, FRL (arXiv 2110.04350)",
        options: &[
            OptionAbout::new("keep", "0.5", "the part of each tensor that the network keeps"),
            OptionAbout::new("lr", "0.4", "the rate of SGD on the scores"),
            OptionAbout::new("momentum", "0.9", "its momentum"),
            OptionAbout::new("refresh", "1", "steps after which it is found anew which weights are kept"),
        ],
        good_for: "collaborators of which some are hostile: each has one vote, and none a louder one",
        ..PartAbout::NOTHING
    },
    stages: "ranking",
    make,
};

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    keep: f64,
    lr: f32,
    momentum: f32,
    refresh: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { keep: 0.5, lr: 0.4, momentum: 0.9, refresh: 1 }
    }
}

fn make(options: &Options, context: &SystemContext<'_>) -> Result<Box<dyn System>> {
    let Settings { keep, lr, momentum, refresh } = options.parse()?;
    if !(keep > 0.0 && keep <= 1.0) {
        return Err(options.refuse(format!("keep is {keep}"), "use a part above 0 and up to 1, such as 0.5"));
    }
    if !(lr > 0.0 && lr.is_finite()) {
        return Err(options.refuse(format!("lr is {lr}"), "use a number above 0, such as 0.4"));
    }
    if !(0.0..1.0).contains(&momentum) {
        return Err(options.refuse(format!("momentum is {momentum}"), "use 0 or more, and less than 1"));
    }
    if refresh == 0 {
        return Err(options.refuse("refresh is 0", "use 1 to look at each step, or more"));
    }
    let layout = context.classifier.layout();
    let ranking = Ranking::new(&layout);
    if ranking.largest() > Ranking::MOST {
        let problem = format!("a matrix of the model has {} weights", ranking.largest());
        return Err(options.refuse(problem, format!("use one whose matrices have {} at most", Ranking::MOST)));
    }
    let network = FrozenNetwork::new(&layout, context.seed as u32);
    let rules = ScoreRules {
        system: FRL.name,
        kind: MaskKind::Threshold,
        optimizer: Optimizer { kind: OptimizerKind::Sgd, lr, momentum, ..Optimizer::default() },
        seed: network.seed(),
        kept: Some(KeptPart { part: keep, every: refresh }),
    };
    let scores = initial_scores(&layout, network.seed());
    Ok(Box::new(Frl { layout, network, ranking, scores, keep, trainer: ScoreTrainer::new(rules) }))
}

struct Frl {
    layout: Layout,
    network: FrozenNetwork,
    ranking: Ranking,
    /// The initial ones.
    scores: Vec<f32>,
    keep: f64,
    trainer: ScoreTrainer,
}

impl System for Frl {
    fn layout(&self) -> Layout {
        self.layout.clone()
    }

    /// That of the initial scores.
    fn initial(&self) -> Vec<f32> {
        self.ranking.of(&self.scores)
    }

    fn weights(&self, _: &Gpu, values: &[f32]) -> Result<Vec<f32>> {
        // Stages of one's own may have left values that are no ranks.
        let kept = self.ranking.kept(&self.ranking.of(values), self.keep);
        Ok(self.network.masked(&kept))
    }

    fn train(&mut self, job: &LocalJob<'_>) -> Result<Vec<LocallyTrained>> {
        let start = self.ranking.arranged(&self.ranking.of(job.start), &self.scores);
        let trained = self.trainer.train(job, self.network.weights(), &start)?;
        let result = |TrainedScores { scores, epochs, steps, .. }| {
            let own = self.ranking.of(&scores);
            LocallyTrained { sent: own.clone(), own, epochs, steps }
        };
        Ok(trained.into_iter().map(result).collect())
    }

    /// The middle rank everywhere: turned around it, a ranking is its reverse.
    fn neutral(&self, _: &[f32]) -> Vec<f32> {
        self.ranking.middle()
    }

    fn strategy(&self) -> Strategy {
        Strategy::replacing(Vote::new(self.ranking.clone()))
    }
}
