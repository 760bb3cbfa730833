//! Who takes part in a round.

use crate::data::{derive_seed, draw_below, shuffle_in_place, uniform};
use crate::{Error, Result};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// The stream of the seed that participants are drawn from.
const STREAM: u64 = 0x7061_7274;

/// A part of the collaborators in each round: `{ per_round = 50, sampling = "uniform" }`. Who that is depends on the
/// seed and the number of the round alone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Participation {
    /// How many are asked in a round.
    pub per_round: usize,
    /// How they are chosen.
    #[serde(default)]
    pub sampling: Sampling,
    /// Rounds of a day, after which collaborators are available again as they were; of `availability`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<u32>,
    /// Part of a day in which a collaborator is available; of `availability`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<f64>,
}

/// How the participants of a round are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampling {
    /// Every set of so many is equally likely.
    #[default]
    Uniform,
    /// One after the other, each with a chance in proportion to its images among those that are left.
    Weighted,
    /// In turn, in an order drawn once, so that all have been asked before anybody is asked again.
    Cyclic,
    /// Uniformly from those that are available: each is in a part of every day, from an hour of its own on. Where
    /// fewer are available than are asked for, all of them take part.
    Availability,
    /// Each by itself with a chance of `per_round` in all, so that rounds differ in size: what the accounting of
    /// differential privacy knows as Poisson sampling.
    Poisson,
}

const USUAL_DAY: u32 = 24;
const USUALLY_AVAILABLE: f64 = 0.5;

impl Participation {
    /// Refuses what asks for nobody, or for more than there are.
    pub fn check(&self, collaborators: usize) -> Result<()> {
        if !(1..=collaborators).contains(&self.per_round) {
            let problem = format!("{} of {collaborators} collaborators", self.per_round);
            return Err(Error::setting(
                "participation.per_round",
                problem,
                format!("set it to 1 to {collaborators}"),
            ));
        }
        if self.sampling != Sampling::Availability {
            let given = [("day", self.day.is_some()), ("available", self.available.is_some())];
            return match given.iter().find(|(_, is_given)| *is_given) {
                Some((name, _)) => Err(Error::setting(
                    format!("participation.{name}"),
                    "it belongs to another sampling",
                    "leave it out, or set participation.sampling to availability",
                )),
                None => Ok(()),
            };
        }
        if self.day == Some(0) {
            return Err(Error::setting("participation.day", "a day of no rounds", "set it to 1 or more"));
        }
        match self.available {
            Some(part) if !(part > 0.0 && part <= 1.0) => {
                let problem = format!("collaborators are available in a part of {part} of each day");
                Err(Error::setting("participation.available", problem, "set it above 0 and up to 1"))
            }
            _ => Ok(()),
        }
    }

    /// Who takes part in a round when it is played for the `attempt`th time, from 0, in order; `samples` has the images
    /// of each, and who has none is never asked.
    pub fn draw(&self, seed: u64, round: u32, attempt: u32, samples: &[usize]) -> Vec<u32> {
        let stream = u64::from(attempt) << 32 | u64::from(round);
        let mut rng = ChaCha8Rng::seed_from_u64(derive_seed(derive_seed(seed, STREAM), stream));
        let all = || (0u32..).zip(samples).filter(|(_, samples)| **samples > 0).map(|(who, _)| who);
        let mut drawn = match self.sampling {
            Sampling::Uniform => choose(all().collect(), self.per_round, &mut rng),
            Sampling::Weighted => weighted(all().collect(), samples, self.per_round, &mut rng),
            Sampling::Cyclic => in_turn(all().collect(), self.per_round, seed, round + attempt),
            Sampling::Availability => {
                let there = all().filter(|&who| self.is_available(seed, round, who));
                choose(there.collect(), self.per_round, &mut rng)
            }
            Sampling::Poisson => {
                let chance = self.per_round as f64 / samples.len() as f64;
                all().filter(|_| uniform(&mut rng) < chance).collect()
            }
        };
        drawn.sort_unstable();
        drawn
    }

    fn is_available(&self, seed: u64, round: u32, who: u32) -> bool {
        let day = u64::from(self.day.unwrap_or(USUAL_DAY));
        let hours = (day as f64 * self.available.unwrap_or(USUALLY_AVAILABLE)).ceil() as u64;
        let first = derive_seed(derive_seed(seed, STREAM + 1), u64::from(who)) % day;
        (u64::from(round - 1) + first) % day < hours
    }
}

/// So many of these, or all where there are not so many.
pub(super) fn choose(mut from: Vec<u32>, count: usize, rng: &mut ChaCha8Rng) -> Vec<u32> {
    let count = count.min(from.len());
    for place in 0..count {
        let other = place + draw_below((from.len() - place) as u64, rng) as usize;
        from.swap(place, other);
    }
    from.truncate(count);
    from
}

/// The same with chances in proportion to images: those with the largest `ln(u) / images` for uniform `u` (Efraimidis
/// and Spirakis 2006).
fn weighted(from: Vec<u32>, samples: &[usize], count: usize, rng: &mut ChaCha8Rng) -> Vec<u32> {
    let key = |who: u32| ((1.0 - uniform(rng)).ln() / samples[who as usize] as f64, who);
    let mut keys: Vec<_> = from.into_iter().map(key).collect();
    keys.sort_by(|a, b| b.0.total_cmp(&a.0));
    keys.into_iter().take(count).map(|(_, who)| who).collect()
}

/// So many from where the round before has ended.
fn in_turn(mut from: Vec<u32>, count: usize, seed: u64, round: u32) -> Vec<u32> {
    shuffle_in_place(&mut from, &mut ChaCha8Rng::seed_from_u64(derive_seed(seed, STREAM + 2)));
    let count = count.min(from.len());
    let first = (u64::from(round - 1) * count as u64 % from.len().max(1) as u64) as usize;
    (first..first + count).map(|place| from[place % from.len()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn of(sampling: Sampling, per_round: usize) -> Participation {
        Participation { per_round, sampling, day: None, available: None }
    }

    #[test]
    fn a_draw_depends_on_seed_and_round_alone_and_asks_nobody_twice() {
        let samples: Vec<usize> = (0..40).map(|who| if who == 7 { 0 } else { 1 + who }).collect();
        for sampling in [Sampling::Uniform, Sampling::Weighted, Sampling::Cyclic, Sampling::Availability] {
            let part = of(sampling, 9);
            for round in 1..50 {
                let drawn = part.draw(3, round, 0, &samples);
                assert_eq!(drawn, part.draw(3, round, 0, &samples));
                assert!(drawn.is_sorted() && drawn.len() == 9, "{sampling:?}: {drawn:?}");
                assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), 9);
                assert!(!drawn.contains(&7), "it has no images");
            }
            assert_ne!(part.draw(3, 1, 0, &samples), part.draw(3, 2, 0, &samples));
            assert_ne!(part.draw(3, 1, 0, &samples), part.draw(4, 1, 0, &samples));
        }
    }

    #[test]
    fn chances_are_what_the_sampling_says() {
        let count = |part: &Participation, samples: &[usize]| {
            let mut counts = vec![0f64; samples.len()];
            (1..=20_000).for_each(|round| {
                part.draw(1, round, 0, samples)
                    .iter()
                    .for_each(|&who| counts[who as usize] += 1.0 / 20_000.0);
            });
            counts
        };
        for sampling in [Sampling::Uniform, Sampling::Poisson] {
            let counts = count(&of(sampling, 3), &[5, 1, 9, 2, 2, 2]);
            assert!(counts.iter().all(|chance| (chance - 0.5).abs() < 0.015), "{sampling:?}: {counts:?}");
        }
        // Of one participant, the chance is the part of the images.
        let counts = count(&of(Sampling::Weighted, 1), &[1, 2, 7]);
        let due = [0.1, 0.2, 0.7];
        assert!(counts.iter().zip(due).all(|(chance, due)| (chance - due).abs() < 0.015), "{counts:?}");
        // Of two of three: 1 - P(it is last) = 1 - sum over the orders of the other two.
        let counts = count(&of(Sampling::Weighted, 2), &[1, 2, 7]);
        let last = 0.2 * 0.7 / 0.8 + 0.7 * 0.2 / 0.3;
        assert!((counts[0] - (1.0 - last)).abs() < 0.015, "{counts:?}");
    }

    #[test]
    fn in_turn_all_are_asked_before_anybody_is_asked_again() {
        let part = of(Sampling::Cyclic, 4);
        let mut asked: Vec<u32> = (1..=3).flat_map(|round| part.draw(9, round, 0, &[1; 12])).collect();
        asked.sort_unstable();
        assert_eq!(asked, (0..12).collect::<Vec<_>>());
        assert_eq!(part.draw(9, 4, 0, &[1; 12]), part.draw(9, 1, 0, &[1; 12]));
    }

    #[test]
    fn collaborators_are_available_in_their_part_of_every_day() {
        let part = Participation { day: Some(8), available: Some(0.25), ..of(Sampling::Availability, 100) };
        let mut rounds = vec![Vec::new(); 30];
        for round in 1..=16 {
            part.draw(2, round, 0, &[1; 30]).iter().for_each(|&who| rounds[who as usize].push(round));
        }
        for rounds in &rounds {
            let (first, second): (Vec<u32>, Vec<u32>) = rounds.iter().partition(|round| **round <= 8);
            assert_eq!(first.len(), 2, "a quarter of eight");
            assert_eq!(first.iter().map(|round| round + 8).collect::<Vec<_>>(), second);
        }
    }

    #[test]
    fn what_asks_for_nobody_or_for_too_many_is_refused() {
        for per_round in [0, 11] {
            let error = of(Sampling::Uniform, per_round).check(10).unwrap_err().to_string();
            assert!(error.contains("participation.per_round"), "{error}");
        }
        let day = Participation { day: Some(3), ..of(Sampling::Uniform, 1) };
        assert!(day.check(10).unwrap_err().to_string().contains("participation.day"));
        let never = Participation { available: Some(0.0), ..of(Sampling::Availability, 1) };
        assert!(never.check(10).unwrap_err().to_string().contains("participation.available"));
    }
}
