//! How rankings become one: by a vote.

use crate::Result;
use crate::codec::{Kept, Values};
use crate::federation::strategy::{Arrived, Combine, StrategyRound};
use crate::model::Ranking;

/// The vote on a ranking, in which each collaborator has one, whatever its number of images. It keeps nothing.
pub(super) struct Vote {
    ranking: Ranking,
    kept: Kept,
}

impl Vote {
    /// On rankings of a model.
    pub fn new(ranking: Ranking) -> Self {
        Self { ranking, kept: Kept::default() }
    }
}

impl Combine for Vote {
    fn combine(&mut self, round: &StrategyRound<'_>, arrived: &[Arrived]) -> Result<Vec<f32>> {
        let mut rankings = Vec::with_capacity(arrived.len());
        for one in arrived {
            let mut update = one.update.clone();
            // Whatever arrives counts as no more than a ranking.
            rankings.push(self.ranking.of(&Values::take(&mut update, round.gpu)?));
        }
        Ok(if rankings.is_empty() { round.global.to_vec() } else { self.ranking.vote(&rankings) })
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.kept
    }
}
