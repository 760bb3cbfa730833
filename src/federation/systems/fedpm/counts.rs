//! How masks become probabilities: by counting, with a Beta distribution of each parameter's.

use crate::codec::{Kept, Values, expect_length};
use crate::federation::strategy::{Arrived, Combine, StrategyRound};
use crate::{Error, Result};

/// The names of what is kept: how often each parameter was kept by a mask, and how many masks were counted.
const ONES: &str = "ones";
const MASKS: &str = "masks";

/// How masks are counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct CountSettings {
    /// Alpha and beta before any mask, 1 or more.
    pub prior: f64,
    /// Rounds after which they are that again; as many as it takes until all were asked once, where that is not said.
    pub reset: Option<u32>,
}

/// Bayesian aggregation (Isik et al. 2022, algorithm 2). All masks count alike, whatever their numbers of images.
///
/// ```text
/// alpha = prior + masks that keep the parameter
/// beta  = prior + masks that do not
/// theta = (alpha - 1) / (alpha + beta - 2)
/// ```
pub(super) struct BetaCounts {
    settings: CountSettings,
    kept: Kept,
}

impl BetaCounts {
    /// Before the first round.
    pub fn new(settings: CountSettings) -> Self {
        Self { settings, kept: Kept::default() }
    }

    /// Rounds of which masks are counted together.
    fn rounds_together(&self, round: &StrategyRound<'_>) -> u32 {
        let usual = round.collaborators.div_ceil(round.asked.max(1)) as u32;
        self.settings.reset.unwrap_or(usual).max(1)
    }
}

impl Combine for BetaCounts {
    fn combine(&mut self, round: &StrategyRound<'_>, arrived: &[Arrived]) -> Result<Vec<f32>> {
        let width = round.global.len();
        let is_anew = (round.number - 1).is_multiple_of(self.rounds_together(round));
        let counted = self.kept.get(ONES).filter(|_| !is_anew);
        let before = self.kept.get(MASKS).and_then(|masks| masks.first()).copied();
        let masks = before.filter(|_| !is_anew).unwrap_or(0.0) + arrived.len() as f32;
        let mut ones = counted.map_or_else(|| vec![0f32; width], <[f32]>::to_vec);
        for one in arrived {
            let mut update = one.update.clone();
            // Whatever arrives counts as no more than a mask; what is no number as nothing kept.
            let add =
                |(ones, value): (&mut f32, f32)| *ones += if value > 0.0 { value.min(1.0) } else { 0.0 };
            ones.iter_mut().zip(Values::take(&mut update, round.gpu)?).for_each(add);
        }
        let prior = self.settings.prior;
        let both = 2.0 * prior + f64::from(masks) - 2.0;
        let mode = |ones: &f32| ((prior + f64::from(*ones) - 1.0) / both) as f32;
        let theta = if both > 0.0 { ones.iter().map(mode).collect() } else { round.global.to_vec() };
        self.kept.put(ONES, ones);
        self.kept.put(MASKS, vec![masks]);
        Ok(theta)
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.kept
    }

    fn check_kept(&mut self, parameters: usize) -> Result<()> {
        let Some(ones) = self.kept.get(ONES) else { return Ok(()) };
        let masks = self.kept.expect(MASKS)?;
        expect_length(ONES, ones.len(), parameters)?;
        expect_length(MASKS, masks.len(), 1)?;
        let is_count = |count: &f32| (0.0..=masks[0]).contains(count);
        if masks[0].is_finite() && masks[0] >= 0.0 && ones.iter().all(is_count) {
            return Ok(());
        }
        let problem = format!("parameters are kept more often than there are masks, {}", masks[0]);
        Err(Error::setting(ONES, problem, "each is from 0 to that"))
    }
}
