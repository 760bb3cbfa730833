//! Who comes seldom weighs more.

use super::vectors::{moved, on_host};
use crate::codec::{Kept, OptionAbout, Options, expect_length};
use crate::federation::strategy::{Arrived, Combine, CombineKind, PartAbout, StrategyRound};
use crate::{Error, Result};
use serde::Deserialize;

/// As specs name it.
pub const PARTICIPATION: CombineKind = CombineKind {
    name: "participation",
    about: PartAbout {
        summary: "the sum of changes, each times the mean interval between the rounds that its collaborator came to",
        source: "Wang and Ji 2023, FedAU (arXiv 2306.03401)",
        options: &[OptionAbout::new("cutoff", "50", "rounds after which an interval is counted as over: K")],
        good_for: "collaborators of whom some come more often than others, nobody knows how often",
        ..PartAbout::NOTHING
    },
    make,
};

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Participation {
    cutoff: u32,
    #[serde(skip)]
    kept: Kept,
}

impl Default for Participation {
    fn default() -> Self {
        Self { cutoff: 50, kept: Kept::default() }
    }
}

fn make(options: &Options) -> Result<Box<dyn Combine>> {
    let rule: Participation = options.parse()?;
    if rule.cutoff == 0 {
        return Err(options.refuse("a cutoff of 0 rounds", "use at least 1, such as 50"));
    }
    Ok(Box::new(rule))
}

/// Rounds that each collaborator has waited since its last interval was over. All that is kept is whole numbers, which
/// f32 has exactly up to 16,777,216.
const WAITED: &str = "waited";
/// Rounds of all intervals of each that are over.
const ROUNDS: &str = "rounds";
/// How many intervals of each are over.
const INTERVALS: &str = "intervals";
/// The number of the last round that is counted.
const LAST: &str = "last";

/// The history of all collaborators, by id.
struct History {
    waited: Vec<f32>,
    rounds: Vec<f32>,
    intervals: Vec<f32>,
}

impl History {
    /// A round that those came to for whom `came` says so.
    fn pass(&mut self, cutoff: f32, came: impl Fn(usize) -> bool) {
        for who in 0..self.waited.len() {
            self.waited[who] += 1.0;
            if came(who) || self.waited[who] >= cutoff {
                self.rounds[who] += self.waited[who];
                self.intervals[who] += 1.0;
                self.waited[who] = 0.0;
            }
        }
    }

    /// The mean interval, which is 1 before the first is over.
    fn weight(&self, who: usize) -> f64 {
        match self.intervals[who] {
            0.0 => 1.0,
            intervals => f64::from(self.rounds[who]) / f64::from(intervals),
        }
    }
}

impl Participation {
    /// What is known of `collaborators` after the round `before`.
    fn history(&self, collaborators: usize, before: u32) -> Result<(History, u32)> {
        let Some(&[last]) = self.kept.get(LAST) else {
            let none = || vec![0.0; collaborators];
            return Ok((History { waited: none(), rounds: none(), intervals: none() }, before));
        };
        let taken = |name: &str| -> Result<Vec<f32>> {
            let values = self.kept.expect(name)?;
            expect_length(name, values.len(), collaborators)?;
            Ok(values.to_vec())
        };
        Ok((
            History { waited: taken(WAITED)?, rounds: taken(ROUNDS)?, intervals: taken(INTERVALS)? },
            last as u32,
        ))
    }
}

/// `global + 1/N * sum of weight_n (w_n - global)` over those of the N collaborators that came. The weight of each is
/// the mean of its intervals before this round; an interval is over when its collaborator comes, or after `cutoff`
/// rounds. Numbers of images do not count: the mean over collaborators is what is minimised.
impl Combine for Participation {
    fn combine(&mut self, round: &StrategyRound<'_>, arrived: &[Arrived]) -> Result<Vec<f32>> {
        let count = round.collaborators;
        let (mut history, last) = self.history(count, round.number.saturating_sub(1))?;
        let cutoff = self.cutoff as f32;
        // Nobody came to the rounds between.
        (last.saturating_add(1)..round.number).for_each(|_| history.pass(cutoff, |_| false));
        let mut came = vec![false; count];
        let mut factors = Vec::with_capacity(arrived.len());
        for arrived in arrived {
            let who = arrived.who as usize;
            let place = came.get_mut(who).ok_or_else(|| {
                Error::fault(format!("an update came from collaborator {who}, and there are {count}"))
            })?;
            *place = true;
            factors.push(history.weight(who) / count as f64);
        }
        let combined = moved(round.global, &on_host(round.gpu, arrived)?, &factors);
        history.pass(cutoff, |who| came[who]);
        self.kept.put(WAITED, history.waited);
        self.kept.put(ROUNDS, history.rounds);
        self.kept.put(INTERVALS, history.intervals);
        self.kept.put(LAST, vec![round.number as f32]);
        Ok(combined)
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.kept
    }

    fn check_kept(&mut self, _: usize) -> Result<()> {
        let Some(last) = self.kept.get(LAST) else { return Ok(()) };
        expect_length(LAST, last.len(), 1)?;
        let collaborators = self.kept.expect(WAITED)?.len();
        for name in [LAST, WAITED, ROUNDS, INTERVALS] {
            let values = self.kept.expect(name)?;
            if name != LAST {
                expect_length(name, values.len(), collaborators)?;
            }
            if let Some(value) = values.iter().find(|value| !(**value >= 0.0 && value.fract() == 0.0)) {
                let problem =
                    format!("the {name} of a history of participation has {value}, which counts no rounds");
                return Err(Error::message(problem, "begin again without this state"));
            }
        }
        Ok(())
    }
}
