//! Local training of scores over frozen weights, which systems have in common.

use super::LocalJob;
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
        let LocalJob { round, who, epochs, first_epoch, local, .. } = *job;
        let ScoreRules { system, kind, optimizer, seed, kept } = self.rules;
        let mut cohort = match self.cohort.take() {
            Some(cohort) => cohort,
            None => {
                let settings = MaskSettings { kind, batch: local.batch, optimizer, seed };
                let most = local.most_together.max(1);
                let mut cohort = MaskCohort::new(job.gpu, local.spec, local.images, most, frozen, settings)?;
                kept.into_iter().for_each(|kept| cohort.keep(kept));
                cohort
            }
        };
        let mut trained = Vec::with_capacity(who.len());
        for who in who.chunks(cohort.replicas()) {
            cohort.restart(start, optimizer.lr)?;
            let (mut tallies, mut steps) = (vec![Vec::new(); who.len()], vec![0; who.len()]);
            for epoch in first_epoch..first_epoch + epochs {
                let orders: Vec<_> = who.iter().map(|&who| (local.order)(who, epoch)).collect();
                for (steps, order) in steps.iter_mut().zip(&orders) {
                    *steps += order.len().div_ceil(local.batch.max(1)) as u64;
                }
                let progress = &mut **local.progress.borrow_mut();
                let of_epoch = cohort.epoch(epoch, who, orders, progress)?;
                tallies.iter_mut().zip(of_epoch).for_each(|(all, tally)| all.push(tally));
            }
            let scores = cohort.scores()?;
            for (((&who, scores), epochs), steps) in who.iter().zip(scores).zip(tallies).zip(steps) {
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
