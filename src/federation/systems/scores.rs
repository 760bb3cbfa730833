//! Local training of scores over frozen weights, which systems have in common.

use super::LocalJob;
use super::epochs::{Trained, each_epoch};
use crate::model::Optimizer;
use crate::training::{KeptPart, MaskCohort, MaskKind, MaskSettings, Tally};
use crate::{Error, Result};

/// How scores train.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScoreRules {
    /// The system, for errors.
    pub system: &'static str,
    /// What a score decides.
    pub kind: MaskKind,
    /// How scores learn.
    pub optimizer: Optimizer,
    /// Seed of the masks that are drawn.
    pub seed: u32,
    /// Where thresholds follow the scores: how.
    pub kept: Option<KeptPart>,
}

/// What a collaborator's scores came to.
pub(super) struct TrainedScores {
    /// The collaborator.
    pub who: u32,
    /// `[P]`
    pub scores: Vec<f32>,
    /// Loss and accuracy on its images in each epoch.
    pub epochs: Vec<Tally>,
    /// Steps that it took.
    pub steps: u64,
}

/// Trains scores, with memory of the device that it keeps from round to round.
pub(super) struct ScoreTrainer {
    rules: ScoreRules,
    cohort: Option<MaskCohort>,
}

impl ScoreTrainer {
    /// By these rules.
    pub fn new(rules: ScoreRules) -> Self {
        Self { rules, cohort: None }
    }

    /// Trains the collaborators of a round from the same scores `[P]` over these frozen weights `[P]`; gives what each came
    /// to, in their order. Scores that are no numbers are refused.
    pub fn train(&mut self, job: &LocalJob<'_>, frozen: &[f32], start: &[f32]) -> Result<Vec<TrainedScores>> {
        let LocalJob { round, who, local, .. } = *job;
        let ScoreRules { system, kind, optimizer, seed, kept } = self.rules;
        let mut cohort = match self.cohort.take() {
            Some(cohort) => cohort,
            None => {
                let settings = MaskSettings { kind, batch: local.batch, optimizer, seed };
                let most = local.most_together.max(1);
                let mut cohort = MaskCohort::new(job.gpu, local.spec, local.images, most, frozen, settings)?;
                kept.map(|kept| cohort.keep(kept)).transpose()?;
                cohort
            }
        };
        let mut trained = Vec::with_capacity(who.len());
        for who in who.chunks(cohort.replicas()) {
            cohort.restart(start, optimizer.lr)?;
            let Trained { epochs, steps } =
                each_epoch(job, who, |epoch| cohort.epoch(epoch.number, who, epoch.orders, epoch.progress))?;
            let scores = cohort.scores()?;
            for (((&who, scores), epochs), steps) in who.iter().zip(scores).zip(epochs).zip(steps) {
                if let Some(score) = scores.iter().find(|score| !score.is_finite()) {
                    let problem = format!("a score of collaborator {who} is {score} in round {round}");
                    return Err(Error::diverged(format!("codecs: {system}"), problem, "use a smaller lr"));
                }
                trained.push(TrainedScores { who, scores, epochs, steps });
            }
        }
        self.cohort = Some(cohort);
        Ok(trained)
    }
}
