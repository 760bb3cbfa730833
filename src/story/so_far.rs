//! The page of a run that is not done yet.

use super::words::ACCURACY;
use crate::progress::RoundDone;
use crate::report::{Plot, Report, Series, Style};

/// What federations have come to, round by round.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SoFar {
    runs: Vec<RunSoFar>,
}

/// A federation whose rounds have begun.
#[derive(Clone, Debug, PartialEq)]
struct RunSoFar {
    /// The label of its codec.
    codec: String,
    /// How many federations with this codec there were before: one for each seed.
    before: usize,
    /// How many rounds there are at most.
    rounds: u32,
    /// Those that are done.
    done: Vec<Reached>,
}

/// What a federation has come to after a round.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Reached {
    round: u32,
    accuracy: Option<f64>,
    /// Of all rounds up to it.
    bytes: u64,
}

impl RunSoFar {
    fn name(&self) -> String {
        if self.before == 0 {
            self.codec.clone()
        } else {
            format!("{}, seed {}", self.codec, self.before + 1)
        }
    }

    fn curve(&self, x: impl Fn(&Reached) -> f64) -> Series {
        let points = self.done.iter().filter_map(|at| Some((x(at), 100.0 * at.accuracy?)));
        Series::new(self.name(), Style::Solid, points.collect())
    }
}

impl SoFar {
    /// Adds a round: to the federation that plays, or to a new one.
    pub fn add(&mut self, done: &RoundDone<'_>) {
        let goes_on = |run: &&mut RunSoFar| {
            run.codec == done.label && run.done.last().is_some_and(|last| last.round < done.round)
        };
        if let Some(run) = self.runs.last_mut().filter(goes_on) {
            let bytes = run.done.last().map_or(0, |last| last.bytes) + done.bytes;
            run.done.push(Reached { round: done.round, accuracy: done.accuracy, bytes });
            return;
        }
        let before = self.runs.iter().filter(|run| run.codec == done.label).count();
        let first = Reached { round: done.round, accuracy: done.accuracy, bytes: done.bytes };
        let (codec, rounds) = (done.label.to_string(), done.rounds);
        self.runs.push(RunSoFar { codec, before, rounds, done: vec![first] });
    }

    /// The page of a run of this name, made by this command.
    pub fn page(&self, name: &str, command: &str) -> Report {
        let mut rounds = Plot::new("accuracy", "Accuracy so far", "Round", ACCURACY);
        let mut bytes =
            Plot::new("accuracy-bytes", "Accuracy over bytes so far", "Megabytes, both directions", ACCURACY);
        bytes.x_log = true;
        for run in &self.runs {
            rounds.series.push(run.curve(|at| f64::from(at.round)));
            bytes.series.push(run.curve(|at| at.bytes as f64 / 1e6));
        }
        let place = self.runs.last().and_then(|run| Some((run, run.done.last()?)));
        let place = place.map(|(run, at)| {
            let others = match self.runs.len() {
                1 => String::new(),
                2 => ", after another federation".into(),
                more => format!(", after {} other federations", more - 1),
            };
            format!("Round {} of {} of {} is done{others}.", at.round, run.rounds, run.name())
        });
        let follow = "This page is written anew while the run goes on: load it again to follow. At the end the report \
                      takes its place.";
        Report {
            title: format!("{name}, so far"),
            answer: place.into_iter().chain([follow.into()]).collect(),
            plots: vec![rounds, bytes],
            reproduce: command.into(),
            ..Report::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_go_to_the_federation_that_plays_and_bytes_add_up() {
        let mut so_far = SoFar::default();
        let mut add = |label, round, accuracy, bytes| {
            so_far.add(&RoundDone { label, round, rounds: 2, accuracy, bytes })
        };
        add("raw", 1, None, 1_000_000);
        add("raw", 2, Some(0.5), 2_000_000);
        add("topk(part=0.01)", 1, Some(0.25), 10_000);
        // Another seed.
        add("raw", 1, Some(0.75), 1_000_000);
        let page = so_far.page("demo", "fedfunnel demo");
        assert_eq!(page.answer[0], "Round 1 of 2 of raw, seed 2 is done, after 2 other federations.");
        let curves = |plot: usize| -> Vec<(&str, &[(f64, f64)])> {
            page.plots[plot].series.iter().map(|s| (s.name.as_str(), s.points.as_slice())).collect()
        };
        let expected: [(&str, &[(f64, f64)]); 3] =
            [("raw", &[(2.0, 50.0)]), ("topk(part=0.01)", &[(1.0, 25.0)]), ("raw, seed 2", &[(1.0, 75.0)])];
        assert_eq!(curves(0), expected);
        let expected: [(&str, &[(f64, f64)]); 3] =
            [("raw", &[(3.0, 50.0)]), ("topk(part=0.01)", &[(0.01, 25.0)]), ("raw, seed 2", &[(1.0, 75.0)])];
        assert_eq!(curves(1), expected);
    }
}
