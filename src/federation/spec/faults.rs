//! What goes wrong between collaborators and the aggregator, and what the aggregator makes of it.

use crate::data::{derive_seed, uniform};
use crate::{Error, Result};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// The stream of the seed that faults are drawn from.
const STREAM: u64 = 0x6661_756c;

/// Chances of faults, each for every collaborator in every round by itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// It is asked, and does not answer: nothing is sent to it.
    pub absent: f64,
    /// It gets the model, and is never heard of again in this round.
    pub breaks_off: f64,
    /// Its update arrives after the round.
    pub late: f64,
    /// Its update arrives twice.
    pub duplicate: f64,
    /// A bit of its update is another when it arrives.
    pub corrupt: f64,
    /// Seconds of the clock after which the aggregator does not wait any longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<f64>,
    /// A round of fewer results than that does not count.
    pub min_results: usize,
    /// What becomes of such a round.
    pub below: Below,
    /// An update whose change of the model is more than so many times as long as that of the median update is not
    /// taken; none is too long without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest: Option<f64>,
}

/// What becomes of a round with too few results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Below {
    /// The global model stays as it is.
    #[default]
    Skip,
    /// It is played again, with a new draw, a few times at most.
    Repeat,
}

/// What happens to a collaborator in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing.
    Fine,
    /// It does not answer.
    Absent,
    /// It gets the model and sends nothing.
    BreaksOff,
    /// Its update comes too late.
    Late,
    /// Its update comes twice.
    Duplicate,
    /// A bit of its update changes, which one by this number.
    Corrupt(u64),
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            absent: 0.0,
            breaks_off: 0.0,
            late: 0.0,
            duplicate: 0.0,
            corrupt: 0.0,
            deadline: None,
            min_results: 1,
            below: Below::Skip,
            longest: None,
        }
    }
}

impl Faults {
    /// Refuses what is no chance, and a deadline where nothing has a clock.
    pub fn check(&self, per_round: usize, has_clock: bool) -> Result<()> {
        let chances = [
            ("absent", self.absent),
            ("breaks_off", self.breaks_off),
            ("late", self.late),
            ("duplicate", self.duplicate),
            ("corrupt", self.corrupt),
        ];
        let field = |name: &str| format!("faults.{name}");
        if let Some((name, chance)) = chances.iter().find(|(_, chance)| !(0.0..=1.0).contains(chance)) {
            return Err(Error::setting(field(name), format!("{chance} is no chance"), "set it to 0 to 1"));
        }
        let sum: f64 = chances.iter().map(|(_, chance)| chance).sum();
        if sum > 1.0 {
            let problem = format!("the chances of all faults add up to {sum}");
            return Err(Error::setting("faults", problem, "keep their sum at 1 or below"));
        }
        if self.min_results > per_round {
            let problem = format!("{} results of {per_round} collaborators", self.min_results);
            return Err(Error::setting(field("min_results"), problem, format!("set it to 1 to {per_round}")));
        }
        if self.min_results == 0 {
            return Err(Error::setting(field("min_results"), "a round of no results", "set it to 1 or more"));
        }
        match (self.deadline, self.longest) {
            (Some(deadline), _) if !(deadline > 0.0 && deadline.is_finite()) => {
                let problem = format!("a deadline of {deadline} seconds");
                Err(Error::setting(field("deadline"), problem, "set it above 0"))
            }
            (Some(_), _) if !has_clock => Err(Error::setting(
                field("deadline"),
                "nothing says how long collaborators take",
                "add a table [clock]",
            )),
            (_, Some(longest)) if !(longest >= 1.0 && longest.is_finite()) => {
                let problem = format!("updates of more than {longest} times the median length are not taken");
                Err(Error::setting(field("longest"), problem, "set it to 1 or more, such as 10"))
            }
            _ => Ok(()),
        }
    }

    /// What happens to a collaborator in a round, when it is played for the `attempt`th time.
    pub fn fate(&self, seed: u64, round: u32, attempt: u32, who: u32) -> Fate {
        let stream = derive_seed(derive_seed(seed, STREAM), u64::from(attempt) << 32 | u64::from(round));
        let mut rng = ChaCha8Rng::seed_from_u64(derive_seed(stream, u64::from(who)));
        let mut left = uniform(&mut rng);
        let chances = [
            (self.absent, Fate::Absent),
            (self.breaks_off, Fate::BreaksOff),
            (self.late, Fate::Late),
            (self.duplicate, Fate::Duplicate),
            (self.corrupt, Fate::Corrupt(rng.next_u64())),
        ];
        for (chance, fate) in chances {
            if left < chance {
                return fate;
            }
            left -= chance;
        }
        Fate::Fine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_as_often_as_their_chances_say() {
        let faults = Faults {
            absent: 0.1,
            breaks_off: 0.2,
            late: 0.05,
            duplicate: 0.15,
            corrupt: 0.25,
            ..Faults::default()
        };
        let mut counts = [0f64; 6];
        for (round, who) in (1..=200).flat_map(|round| (0..100).map(move |who| (round, who))) {
            let fate = faults.fate(5, round, 0, who);
            assert_eq!(fate, faults.fate(5, round, 0, who));
            let place = match fate {
                Fate::Fine => 0,
                Fate::Absent => 1,
                Fate::BreaksOff => 2,
                Fate::Late => 3,
                Fate::Duplicate => 4,
                Fate::Corrupt(_) => 5,
            };
            counts[place] += 1.0 / 20_000.0;
        }
        let due = [0.25, 0.1, 0.2, 0.05, 0.15, 0.25];
        assert!(counts.iter().zip(due).all(|(count, due)| (count - due).abs() < 0.012), "{counts:?}");
        let differs = |who| faults.fate(5, 1, 0, who) != faults.fate(5, 1, 1, who);
        assert!((0..100).any(differs), "another attempt is another draw");
    }

    #[test]
    fn what_is_no_chance_is_refused_by_its_field() {
        let refused = |faults: Faults| faults.check(10, false).unwrap_err().to_string();
        assert!(refused(Faults { late: 1.5, ..Faults::default() }).contains("faults.late"));
        let both = Faults { late: 0.6, absent: 0.6, ..Faults::default() };
        assert!(refused(both).contains("add up to 1.2"));
        assert!(refused(Faults { min_results: 11, ..Faults::default() }).contains("faults.min_results"));
        assert!(refused(Faults { deadline: Some(1.0), ..Faults::default() }).contains("[clock]"));
        assert!(Faults { deadline: Some(1.0), ..Faults::default() }.check(10, true).is_ok());
        assert!(refused(Faults { longest: Some(0.5), ..Faults::default() }).contains("faults.longest"));
    }
}
